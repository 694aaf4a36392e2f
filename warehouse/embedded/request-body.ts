import type { IncomingMessage } from 'node:http';
import { pipeline, type Transform } from 'node:stream';
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib';
import { ClickHouseException } from './clickhouse-exception.ts';
import { MAX_STATEMENT_BYTES } from './limits.ts';

const DECODERS: Readonly<Record<string, () => Transform>> = {
  gzip: createGunzip,
  'x-gzip': createGunzip,
  deflate: createInflate,
  br: createBrotliDecompress,
};

/**
 * The body of a request, unpacked, piece by piece.
 *
 * @throws ClickHouseException `UNSUPPORTED_MEDIA_TYPE` for another Content-Encoding
 */
export function requestBody(request: IncomingMessage): AsyncIterator<Buffer> {
  const encoding = (request.headers['content-encoding'] ?? 'identity').trim().toLowerCase();
  if (encoding === 'identity' || encoding === '') return chunks(request);
  const decoder = DECODERS[encoding]?.();
  if (decoder === undefined) {
    throw new ClickHouseException(
      779,
      'UNSUPPORTED_MEDIA_TYPE',
      `Content-Encoding ${encoding} is not supported by the embedded warehouse: use gzip, deflate or br`,
    );
  }
  // The callback keeps a broken body from becoming an uncaught error; the reader gets it too.
  pipeline(request, decoder, () => undefined);
  return chunks(decoder);
}

/**
 * Reads on until `isEnough` or the end.
 *
 * @throws ClickHouseException `QUERY_IS_TOO_LARGE` beyond {@link MAX_STATEMENT_BYTES}
 */
export async function readUntil(
  begun: Buffer,
  rest: AsyncIterator<Buffer>,
  isEnough: (bytes: number) => boolean,
): Promise<{ bytes: Buffer; ended: boolean }> {
  const pieces = [begun];
  let length = begun.length;
  while (!isEnough(length)) {
    const next = await rest.next();
    if (next.done === true) return { bytes: Buffer.concat(pieces), ended: true };
    pieces.push(next.value);
    length += next.value.length;
    if (length > MAX_STATEMENT_BYTES) {
      throw new ClickHouseException(
        229,
        'QUERY_IS_TOO_LARGE',
        `The statement is longer than ${MAX_STATEMENT_BYTES} bytes`,
      );
    }
  }
  return { bytes: Buffer.concat(pieces), ended: false };
}

async function* chunks(source: AsyncIterable<unknown>): AsyncGenerator<Buffer, void> {
  try {
    for await (const chunk of source) yield chunk as Buffer;
  } catch (error) {
    if (error instanceof Error && 'code' in error && String(error.code).startsWith('Z_')) {
      throw new ClickHouseException(
        354,
        'ZLIB_INFLATE_FAILED',
        'inflate failed: the body is broken',
      );
    }
    throw error;
  }
}
