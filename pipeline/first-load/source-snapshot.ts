import pg from 'pg';
import type { Secret } from '#runtime/config.ts';
import { describeError, TributaryError } from '#runtime/errors.ts';
import type { TableName } from '../catalog/table-pattern.ts';
import { prepareSession } from '../resync/source-copy.ts';

/** What a new slot streams from on, and the means to read what was there before. */
export interface SourceSnapshot {
  /** Position of the log from which the slot streams, as Postgres spells it. */
  readonly slotLsn: string;
  /** When it was made, by the source's clock, as ClickHouse spells it. */
  readonly readAt: string;
  /** A connection that sees exactly what was committed before the slot's position. */
  readonly first: pg.Client;
  /** Opens another one. */
  openReader(): Promise<pg.Client>;
  /** Ends the snapshot; the slot stays. Safe to call twice. */
  close(): Promise<void>;
}

/** A transaction that has been writing for longer keeps a slot from being made, in milliseconds. */
export const SLOT_WAIT_MS = 60_000;
const CONNECT_TIMEOUT_MS = 10_000;

/**
 * Locks tables, as reading them does, for as long as the connection is there: what rewrites or
 * truncates one, or changes its columns, waits. A snapshot would not see such a change, and the log
 * has only half of it.
 *
 * @throws TributaryError `FIRST_LOAD_FAILED`
 */
export async function lockTables(
  source: string,
  holder: pg.Client,
  tables: readonly TableName[],
): Promise<void> {
  if (tables.length === 0) return;
  try {
    await holder.query('BEGIN');
    await holder.query(`LOCK TABLE ${tables.map(relationOf).join(', ')} IN ACCESS SHARE MODE`);
  } catch (error) {
    throw loadFailed(source, 'locking its tables', error);
  }
}

/**
 * Makes a source's replication slot with the snapshot that belongs to it.
 *
 * @throws TributaryError `SOURCE_UNAVAILABLE`, `FIRST_LOAD_FAILED`
 */
export async function openSourceSnapshot(
  source: { readonly name: string; readonly url: Secret },
  slot: string,
): Promise<SourceSnapshot> {
  const sender = await connectSource(source, { replication: 'database' });
  const readers: pg.Client[] = [];
  const close = async () => {
    await Promise.all([...readers, sender].map((client) => client.end().catch(() => undefined)));
  };
  try {
    // This spelling is understood by every version; the newer one only since 15.
    const made = await sender.query<{ consistent_point: string; snapshot_name: string }>(
      `CREATE_REPLICATION_SLOT ${pg.escapeIdentifier(slot)} LOGICAL pgoutput EXPORT_SNAPSHOT`,
    );
    const [point] = made.rows;
    if (point === undefined) throw new Error('the server did not tell of the slot it made');
    const openReader = async () => {
      const reader = await connectSource(source, {});
      readers.push(reader);
      await prepareSession(reader);
      await reader.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
      await reader.query(`SET TRANSACTION SNAPSHOT ${pg.escapeLiteral(point.snapshot_name)}`);
      return reader;
    };
    const first = await openReader();
    const { rows } = await first.query<{ at: string }>(
      `SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') AS at`,
    );
    return { slotLsn: point.consistent_point, readAt: rows[0]?.at ?? '', first, openReader, close };
  } catch (error) {
    await close();
    throw loadFailed(source.name, `making the slot ${slot}`, error);
  }
}

/** Opens a connection. @throws TributaryError `SOURCE_UNAVAILABLE` */
export async function connectSource(
  { name, url }: { readonly name: string; readonly url: Secret },
  parameters: { readonly replication?: 'database' },
): Promise<pg.Client> {
  const client = new pg.Client({
    connectionString: url.reveal(),
    application_name: 'tributary first load',
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    keepAlive: true,
    // A snapshot is exported by an open transaction that does nothing.
    options: `-c idle_in_transaction_session_timeout=0 -c statement_timeout=0 -c lock_timeout=${SLOT_WAIT_MS}`,
    ...parameters,
  });
  // A connection that breaks between two queries would otherwise end the process.
  client.on('error', () => undefined);
  try {
    await client.connect();
    return client;
  } catch (error) {
    throw new TributaryError(
      'SOURCE_UNAVAILABLE',
      `source ${name}: its database does not answer: ${describeError(error)}`,
      { cause: error },
    );
  }
}

/** Quoted name of a table in Postgres. */
export function relationOf({ schema, table }: TableName): string {
  return `${pg.escapeIdentifier(schema)}.${pg.escapeIdentifier(table)}`;
}

/** Names a failure at a source. Postgres's messages about reading and locking quote no values. */
export function loadFailed(source: string, doing: string, error: unknown): TributaryError {
  if (error instanceof TributaryError) return error;
  return new TributaryError(
    'FIRST_LOAD_FAILED',
    `source ${source}: ${doing} failed: ${describeError(error)}`,
    { cause: error },
  );
}
