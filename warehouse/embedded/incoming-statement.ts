import { readInsertHead, type InsertHead } from './insert-head.ts';
import { MAX_STATEMENT_BYTES } from './limits.ts';
import { readUntil } from './request-body.ts';
import { readStatement, type Statement } from './statement.ts';

/** What a request asks for. */
export type IncomingStatement =
  | { readonly kind: 'statement'; readonly statement: Statement }
  | {
      readonly kind: 'insert';
      readonly head: InsertHead;
      /** Data that was read together with the head. */
      readonly begun: Buffer;
    };

/** How much of a body is looked at for the head of an INSERT at first. */
const HEAD_BYTES = 65_536;
const NOTHING = Buffer.alloc(0);

/**
 * Puts the statement together from URL and body, as a server does: one after the other. Of an
 * INSERT's data no more is read than came along.
 *
 * @throws ClickHouseException when there is no statement, or it cannot be one
 */
export async function readIncoming(
  query: string | undefined,
  body: AsyncIterator<Buffer>,
): Promise<IncomingStatement> {
  if (query !== undefined) {
    const head = readInsertHead(query);
    if (head !== undefined) {
      return { kind: 'insert', head, begun: Buffer.from(query.slice(head.dataAt)) };
    }
  }
  const start = query === undefined ? NOTHING : Buffer.from(`${query}\n`);
  const first = await readUntil(start, body, (length) => length >= HEAD_BYTES);
  const early = insertIn(first.bytes);
  if (early !== undefined) return early;
  const { bytes } = first.ended ? first : await readUntil(first.bytes, body, isAboveLimit);
  return (
    (first.ended ? undefined : insertIn(bytes)) ?? {
      kind: 'statement',
      statement: readStatement(bytes.toString('utf8')),
    }
  );
}

function isAboveLimit(length: number): boolean {
  return length > MAX_STATEMENT_BYTES;
}

function insertIn(bytes: Buffer): IncomingStatement | undefined {
  const text = bytes.toString('utf8');
  const head = readInsertHead(text);
  if (head === undefined) return undefined;
  const begun = bytes.subarray(Buffer.byteLength(text.slice(0, head.dataAt)));
  return { kind: 'insert', head, begun };
}
