import { randomBytes } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { hostname } from 'node:os';
import {
  createBrotliCompress,
  createDeflate,
  createGzip,
  type BrotliCompress,
  type Deflate,
  type Gzip,
} from 'node:zlib';
import type { ClickHouseException } from './clickhouse-exception.ts';
import { httpStatusOf } from './http-status.ts';

/** Progress of a query, for the header `X-ClickHouse-Summary`. */
export interface Summary {
  readonly readRows: number;
  readonly readBytes: number;
  readonly writtenRows: number;
  readonly writtenBytes: number;
  readonly resultRows: number;
  readonly resultBytes: number;
  readonly elapsedSeconds: number;
}

/** What is known when a response begins before its query has ended. */
export const NO_SUMMARY: Summary = {
  readRows: 0,
  readBytes: 0,
  writtenRows: 0,
  writtenBytes: 0,
  resultRows: 0,
  resultBytes: 0,
  elapsedSeconds: 0,
};

const GZIP_LEVEL = 3;
const SEND_TIMEOUT_MS = 30_000;
const TAG_BYTES = 8;

/** The answer to one query: headers once, then the result, then perhaps a failure after all. */
export class QueryResponse {
  readonly #response: ServerResponse;
  readonly #version: string;
  readonly #encoding: string | undefined;
  /** Marks an exception in the middle of a result, so that a value cannot be taken for one. */
  readonly #tag = randomBytes(TAG_BYTES).toString('hex');
  /** Resolves when the connection is done with this response, sent or not. */
  readonly #closed: Promise<void>;
  #hasBegun = false;
  #compressor: BrotliCompress | Deflate | Gzip | undefined;

  /** @param encoding - Content-Encoding that the client takes, if any */
  constructor(
    response: ServerResponse,
    options: { queryId: string; timezone: string; version: string; encoding: string | undefined },
  ) {
    this.#response = response;
    this.#version = options.version;
    this.#encoding = options.encoding;
    this.#closed = new Promise((resolve) => response.once('close', resolve));
    response.setHeader('X-ClickHouse-Query-Id', options.queryId);
    response.setHeader('X-ClickHouse-Timezone', options.timezone);
    response.setHeader('X-ClickHouse-Server-Display-Name', hostname());
    response.setHeader('X-ClickHouse-Exception-Tag', this.#tag);
  }

  /** Whether the result is on its way, so that its status can no longer change. */
  get hasBegun(): boolean {
    return this.#hasBegun;
  }

  /** Sends a whole result. */
  async send(format: string, body: Buffer, summary: Summary): Promise<void> {
    this.#head(format, summary);
    if (this.#encoding === undefined) this.#response.setHeader('Content-Length', body.length);
    await this.write(body);
    await this.end();
  }

  /** Sends the headers of a result whose end is not known yet. */
  begin(format: string): void {
    this.#head(format, NO_SUMMARY);
  }

  /** Sends a piece of the result; resolves when the client has taken enough to go on. */
  async write(piece: Buffer): Promise<void> {
    if (this.#encoding !== undefined && this.#compressor === undefined) {
      this.#compressor = compressor(this.#encoding);
      this.#compressor.pipe(this.#response);
    }
    const target = this.#compressor ?? this.#response;
    if (piece.length === 0 || target.write(piece) || this.#response.destroyed) return;
    // A client that takes nothing for so long is as good as gone, and it keeps a lane busy.
    const patience = setTimeout(() => this.#response.destroy(), SEND_TIMEOUT_MS);
    const drained = new Promise((resolve) => target.once('drain', resolve));
    await Promise.race([drained, this.#closed]);
    clearTimeout(patience);
  }

  /** Ends the result; resolves when it is out. */
  async end(): Promise<void> {
    (this.#compressor ?? this.#response).end();
    await this.#closed;
  }

  /**
   * Tells of a failure: as status and text when nothing was sent yet, else at the end of what was
   * sent, between markers; the connection then breaks off so that nobody takes it for a whole result.
   */
  async fail(exception: ClickHouseException): Promise<void> {
    const message = `${exception.render(this.#version)}\n`;
    if (!this.hasBegun) {
      this.#response.removeHeader('X-ClickHouse-Exception-Tag');
      this.#response.setHeader('X-ClickHouse-Exception-Code', exception.code);
      this.#response.setHeader('Content-Type', 'text/plain; charset=UTF-8');
      this.#response.writeHead(httpStatusOf(exception.code)).end(message);
      return;
    }
    if (this.#response.destroyed) return;
    const length = Buffer.byteLength(message);
    await this.write(
      Buffer.from(
        `\r\n__exception__\r\n${this.#tag}\r\n${message}${length} ${this.#tag}\r\n__exception__\r\n`,
      ),
    );
    if (this.#compressor !== undefined) {
      const compressor = this.#compressor;
      await new Promise<void>((resolve) => compressor.flush(resolve));
    }
    this.#response.socket?.end();
  }

  #head(format: string, summary: Summary): void {
    this.#hasBegun = true;
    this.#response.setHeader('X-ClickHouse-Summary', JSON.stringify(wireSummary(summary)));
    this.#response.setHeader('X-ClickHouse-Format', format);
    this.#response.setHeader('Content-Type', contentType(format));
    if (this.#encoding !== undefined) {
      this.#response.setHeader('Content-Encoding', this.#encoding);
      this.#response.setHeader('Vary', 'Accept-Encoding');
    }
    this.#response.statusCode = 200;
  }
}

/** The first encoding of `Accept-Encoding` that we can write. */
export function acceptedEncoding(header: string | undefined): string | undefined {
  const accepted = (header ?? '')
    .split(',')
    .map((part) => part.split(';')[0]?.trim().toLowerCase());
  return ['gzip', 'br', 'deflate'].find((encoding) => accepted.includes(encoding));
}

function compressor(encoding: string): BrotliCompress | Deflate | Gzip {
  if (encoding === 'br') return createBrotliCompress();
  return encoding === 'deflate' ? createDeflate() : createGzip({ level: GZIP_LEVEL });
}

/** Numbers go as text, because they can be larger than a JSON reader's numbers. */
function wireSummary(summary: Summary): Record<string, string> {
  return {
    read_rows: String(summary.readRows),
    read_bytes: String(summary.readBytes),
    written_rows: String(summary.writtenRows),
    written_bytes: String(summary.writtenBytes),
    total_rows_to_read: '0',
    result_rows: String(summary.resultRows),
    result_bytes: String(summary.resultBytes),
    elapsed_ns: String(Math.round(summary.elapsedSeconds * 1e9)),
  };
}

function contentType(format: string): string {
  if (/^(JSONEachRow|JSONLines|NDJSON|JSONStringsEachRow)$/.test(format)) {
    return 'application/x-ndjson; charset=UTF-8';
  }
  if (format.startsWith('JSON')) return 'application/json; charset=UTF-8';
  if (format.startsWith('CSV')) return 'text/csv; charset=UTF-8; header=absent';
  if (format.startsWith('TSV') || format.startsWith('TabSeparated')) {
    return 'text/tab-separated-values; charset=UTF-8';
  }
  if (/^(RowBinary|Native|Parquet|Arrow|ORC|Avro|MsgPack|Protobuf|BSON)/.test(format)) {
    return 'application/octet-stream';
  }
  return 'text/plain; charset=UTF-8';
}
