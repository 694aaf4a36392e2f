import pg from 'pg';
import { to as copyTo } from 'pg-copy-streams';
import type { Secret } from '#runtime/config.ts';
import { describeError, TributaryError } from '#runtime/errors.ts';
import { GrowingBytes } from '../columnar/growing-bytes.ts';
import type { CopyPace } from './copy-pace.ts';
import type { CopyReaders } from './copy-shares.ts';

/** A table at its source, seen by transactions that stay open until {@link close}. */
export interface SourceCopy extends CopyReaders {
  /** `pg_current_snapshot()`: which transactions it sees. */
  readonly snapshot: string;
  /** When it was taken, by the source's clock, as ClickHouse reads it. */
  readonly readAt: string;
  /** Position of the log after everything that it sees. */
  readonly lsn: string;
  /** Changes with TRUNCATE and with whatever else rewrites the table. */
  readonly storageId: string;
  /** Lets go of the table. Safe to call twice. */
  close(): Promise<void>;
}

/** Bytes of one piece, before the rest of its last row. */
const PIECE_BYTES = 32 * 1024 * 1024;
/** With what Postgres sends at a time; a longer row makes its piece grow. */
const PIECE_CAPACITY = PIECE_BYTES + 256 * 1024;
/** How long rows that come slowly are gathered, in milliseconds. */
const PIECE_MS = 5_000;
const NEWLINE = 0x0a;

/** How values are printed; and a lock that is not to be had must not hold up the service. */
const SESSION = `
  SET timezone = 'UTC'; SET datestyle = 'ISO'; SET intervalstyle = 'postgres';
  SET extra_float_digits = 1; SET bytea_output = 'hex';
  SET statement_timeout = 0; SET lock_timeout = '5s'; SET idle_in_transaction_session_timeout = 0`;

/** A rewritten table has other files; a partitioned one those of its parts. */
const STORAGE_ID = `
  SELECT string_agg(pg_relation_filenode(relid)::text, ',' ORDER BY relid)
  FROM (SELECT relid FROM pg_partition_tree(to_regclass($1)) UNION SELECT to_regclass($1)) AS parts(relid)`;

/**
 * Looks at a table as one transaction sees it. From here on it keeps a lock that reads take: a
 * TRUNCATE or ALTER TABLE waits for {@link SourceCopy.close}.
 *
 * @param relation - quoted name
 * @throws TributaryError `SOURCE_UNAVAILABLE`, `RESYNC_FAILED`
 */
export async function openSourceCopy(
  source: string,
  url: Secret,
  relation: string,
): Promise<SourceCopy> {
  const clients: pg.Client[] = [];
  const connect = async () => {
    const client = await connectSource(source, url);
    clients.push(client);
    await prepareSession(client);
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
    return client;
  };
  const close = async () => {
    await Promise.all(clients.map((client) => client.end().catch(() => undefined)));
  };
  try {
    const client = await connect();
    // Before the snapshot is taken: a TRUNCATE in between would not show in it.
    await client.query(`LOCK TABLE ${relation} IN ACCESS SHARE MODE`);
    const { rows } = await client.query<{
      snapshot: string;
      read_at: string;
      lsn: string;
    }>(
      `SELECT pg_current_snapshot()::text AS snapshot, pg_current_wal_insert_lsn()::text AS lsn,
              to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') AS read_at`,
    );
    const [facts] = rows;
    if (facts === undefined) throw new Error('no snapshot');
    const storageId = await readStorageId(client, relation);
    return {
      snapshot: facts.snapshot,
      readAt: facts.read_at,
      lsn: facts.lsn,
      storageId,
      first: client,
      async openReader() {
        const { rows } = await client.query<{ id: string }>('SELECT pg_export_snapshot() AS id');
        const reader = await connect();
        await reader.query(`SET TRANSACTION SNAPSHOT ${pg.escapeLiteral(rows[0]?.id ?? '')}`);
        return reader;
      },
      close,
    };
  } catch (error) {
    await close();
    throw copyFailed(source, relation, error);
  }
}

async function connectSource(source: string, url: Secret): Promise<pg.Client> {
  const client = new pg.Client({
    connectionString: url.reveal(),
    application_name: 'tributary resync',
    connectionTimeoutMillis: 10_000,
  });
  // A connection that breaks between two queries would otherwise end the process.
  client.on('error', () => undefined);
  try {
    await client.connect();
    return client;
  } catch (error) {
    throw new TributaryError(
      'SOURCE_UNAVAILABLE',
      `source ${source}: its database does not answer: ${describeError(error)}`,
      { cause: error },
    );
  }
}

/** Has a connection print values as the warehouse reads them, and wait for nothing for long. */
export async function prepareSession(client: pg.Client): Promise<void> {
  await client.query(SESSION);
  // Functions and types of extensions are found wherever they were put.
  await client.query(
    `SELECT set_config('search_path', string_agg(DISTINCT quote_ident(nspname), ', '), false)
     FROM pg_extension JOIN pg_namespace n ON n.oid = extnamespace`,
  );
}

/** See {@link SourceCopy.storageId}. */
export async function readStorageId(
  client: Pick<pg.Client, 'query'>,
  relation: string,
): Promise<string> {
  const { rows } = await client.query<{ string_agg: string | null }>(STORAGE_ID, [relation]);
  return rows[0]?.string_agg ?? '';
}

/**
 * What a query gives as tab-separated values, in large pieces that end with a row: each becomes a part of
 * a table, and many small ones would be merged many times.
 *
 * @throws whatever the server or the connection says; the abort reason
 */
export async function* copyPieces(
  client: pg.Client,
  select: string,
  { pace, signal }: { readonly pace: CopyPace; readonly signal: AbortSignal },
): AsyncGenerator<Buffer> {
  // Copied together as they come: kept in a list, they and their whole would be there at once.
  let piece = new GrowingBytes(PIECE_CAPACITY);
  let begunAt = performance.now();
  const stream: AsyncIterable<Buffer> = client.query(copyTo(`COPY (${select}) TO STDOUT`));
  for await (const chunk of stream) {
    signal.throwIfAborted();
    await pace.pass(countRows(chunk), signal);
    const at = piece.reserve(chunk.length);
    chunk.copy(piece.bytes, at);
    if (piece.length < PIECE_BYTES && performance.now() - begunAt < PIECE_MS) continue;
    const end = chunk.lastIndexOf(NEWLINE) + 1;
    if (end === 0) continue;
    yield piece.filled.subarray(0, at + end);
    piece = new GrowingBytes(PIECE_CAPACITY);
    chunk.copy(piece.bytes, piece.reserve(chunk.length - end), end);
    begunAt = performance.now();
  }
  if (piece.length > 0) yield piece.filled;
}

/** Rows in a piece of {@link copyPieces}. */
export function countRows(piece: Buffer): number {
  let rows = 0;
  for (let at = piece.indexOf(NEWLINE); at !== -1; at = piece.indexOf(NEWLINE, at + 1)) rows += 1;
  return rows;
}

/** Names a failure at a source. Postgres's messages about reading and locking quote no values. */
export function copyFailed(source: string, what: string, error: unknown): TributaryError {
  if (error instanceof TributaryError) return error;
  return new TributaryError(
    'RESYNC_FAILED',
    `source ${source}: reading ${what} failed: ${describeError(error)}`,
    { cause: error },
  );
}
