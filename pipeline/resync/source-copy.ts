import pg from 'pg';
import { to as copyTo } from 'pg-copy-streams';
import type { Secret } from '#runtime/config.ts';
import { describeError, TributaryError } from '#runtime/errors.ts';

/** A table at its source, seen by one transaction that stays open until {@link close}. */
export interface SourceCopy {
  /** `pg_current_snapshot()`: which transactions it sees. */
  readonly snapshot: string;
  /** When it was taken, by the source's clock, as ClickHouse reads it. */
  readonly readAt: string;
  /** Position of the log after everything that it sees. */
  readonly lsn: string;
  /** Changes with TRUNCATE and with whatever else rewrites the table. */
  readonly storageId: string;
  /**
   * The table's rows as tab-separated values, in pieces that end with a row.
   *
   * @param columns - SQL of each column
   */
  rows(columns: readonly string[]): AsyncIterable<Buffer>;
  /** Lets go of the table. Safe to call twice. */
  close(): Promise<void>;
}

/** Bytes of one piece, before the rest of its last row. */
const PIECE_BYTES = 8 * 1024 * 1024;
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
  const client = new pg.Client({
    connectionString: url.reveal(),
    application_name: 'tributary resync',
    connectionTimeoutMillis: 10_000,
  });
  // A connection that breaks between two queries would otherwise end the process.
  client.on('error', () => undefined);
  try {
    await client.connect();
  } catch (error) {
    throw new TributaryError(
      'SOURCE_UNAVAILABLE',
      `source ${source}: its database does not answer: ${describeError(error)}`,
      { cause: error },
    );
  }
  try {
    await prepareSession(client);
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
    // Before the snapshot is taken: a TRUNCATE in between would not show in it.
    await client.query(`LOCK TABLE ${relation} IN ACCESS SHARE MODE`);
    const { rows } = await client.query<{
      snapshot: string;
      read_at: string;
      lsn: string;
      is_partitioned: boolean;
    }>(
      `SELECT pg_current_snapshot()::text AS snapshot, pg_current_wal_insert_lsn()::text AS lsn,
              to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') AS read_at,
              (SELECT relkind = 'p' FROM pg_class WHERE oid = to_regclass($1)) AS is_partitioned`,
      [relation],
    );
    const [facts] = rows;
    if (facts === undefined) throw new Error('no snapshot');
    const storageId = await readStorageId(client, relation);
    return {
      snapshot: facts.snapshot,
      readAt: facts.read_at,
      lsn: facts.lsn,
      storageId,
      rows: (columns) =>
        named(
          copyPieces(
            client,
            `SELECT ${columns.join(', ')} FROM ${facts.is_partitioned ? '' : 'ONLY '}${relation}`,
          ),
          source,
        ),
      close: () => client.end().catch(() => undefined),
    };
  } catch (error) {
    await client.end().catch(() => undefined);
    throw copyFailed(source, relation, error);
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
 * What a query gives as tab-separated values, in pieces of some megabytes that end with a row.
 *
 * @throws whatever the server or the connection says
 */
export async function* copyPieces(client: pg.Client, select: string): AsyncGenerator<Buffer> {
  let parts: Buffer[] = [];
  let bytes = 0;
  const stream: AsyncIterable<Buffer> = client.query(copyTo(`COPY (${select}) TO STDOUT`));
  for await (const chunk of stream) {
    parts.push(chunk);
    bytes += chunk.length;
    if (bytes < PIECE_BYTES) continue;
    const end = chunk.lastIndexOf(NEWLINE) + 1;
    if (end === 0) continue;
    yield Buffer.concat([...parts.slice(0, -1), chunk.subarray(0, end)]);
    parts = [chunk.subarray(end)];
    bytes = chunk.length - end;
  }
  if (bytes > 0) yield Buffer.concat(parts);
}

/** Rows in a piece of {@link copyPieces}. */
export function countRows(piece: Buffer): number {
  let rows = 0;
  for (let at = piece.indexOf(NEWLINE); at !== -1; at = piece.indexOf(NEWLINE, at + 1)) rows += 1;
  return rows;
}

async function* named(pieces: AsyncIterable<Buffer>, source: string): AsyncGenerator<Buffer> {
  try {
    yield* pieces;
  } catch (error) {
    throw copyFailed(source, 'its rows', error);
  }
}

function copyFailed(source: string, what: string, error: unknown): TributaryError {
  if (error instanceof TributaryError) return error;
  return new TributaryError(
    'RESYNC_FAILED',
    `source ${source}: reading ${what} failed: ${describeError(error)}`,
    { cause: error },
  );
}
