import { setTimeout as delay } from 'node:timers/promises';
import type { ClickHouseClient } from '@clickhouse/client';
import type pg from 'pg';
import { messageCode, TributaryError } from '#runtime/errors.ts';
import type { Source } from '../catalog/catalog.ts';
import type { TableName } from '../catalog/table-pattern.ts';
import type { Offset } from '../change/offset.ts';
import { FIRST_EPOCH, type Epoch } from '../change/version.ts';
import type { ColumnNames } from '../evolution/column-names.ts';
import { readPublishedTables } from '../evolution/table-facts.ts';
import { rememberTables } from '../evolution/table-memory.ts';
import { reviewTables } from '../evolution/table-news.ts';
import { watchPauses } from '../resync/copy-pauses.ts';
import type { ResyncLedger } from '../resync/ledger.ts';
import type { Sink } from '../sink/sink.ts';
import { relationName } from '../transform/table-plan.ts';
import { copyTables, type LoadTable } from './copy-tables.ts';
import type { FirstLoad, LoadLedger, TableProgress } from './load-ledger.ts';
import { removeTable } from './load-storage.ts';
import type { LoadProgress } from './progress.ts';
import {
  connectSource,
  loadFailed,
  lockTables,
  openSourceSnapshot,
  relationOf,
  SLOT_WAIT_MS,
  type SourceSnapshot,
} from './source-snapshot.ts';

/** A source whose rows are to be copied before anything captures it. */
export interface LoadTarget {
  readonly source: Source;
  readonly slot: string;
  readonly publication: string;
  /** Tables to copy. */
  readonly tables: readonly TableName[];
  /** Table whose rows are events, which the connector alone can publish. */
  readonly outbox: TableName | undefined;
  readonly topicOf: (table: TableName) => string;
  /** Whether Kafka Connect has the source's connector. */
  readonly connectorExists: boolean;
}

/** What a first load works with. */
export interface LoadParts {
  readonly warehouse: ClickHouseClient;
  readonly sink: Pick<Sink, 'prepare'>;
  readonly columnNames: ColumnNames;
  readonly loads: LoadLedger;
  readonly resyncs: Pick<ResyncLedger, 'resyncs' | 'write'>;
  /** End of each partition of a topic, which is made if it is not there. */
  readonly endOffsets: (topic: string) => Promise<ReadonlyMap<number, Offset>>;
  readonly signal: AbortSignal;
  readonly onProgress: (progress: LoadProgress) => void;
}

/** What became of a first load. */
export type LoadOutcome =
  /** The source is not new: something captures it, or the warehouse has tables of it. */
  | { readonly kind: 'known' }
  /** The rows are left to the connector's own snapshot. */
  | { readonly kind: 'snapshot'; readonly reason: string }
  /** The rows are in the warehouse; the connector is to go on from this position of the slot. */
  | {
      readonly kind: 'copied';
      readonly slotLsn: string;
      readonly tables: readonly TableProgress[];
      readonly tookMs: number;
    };

const LOCK_POLL_MS = 200;
/** How long one that was killed may hold the lock: until the server misses its connection. */
const LOCK_WAIT_MS = 30_000;
/** How often it is written down how far the tables are, in milliseconds. */
const WRITE_MS = 1_000;

/**
 * Copies the rows that a new source has, under the snapshot of its replication slot: the slot streams
 * exactly what the copy does not see.
 *
 * Copied rows are older than whatever is streamed: the stream is of an epoch of its own, the next one.
 * A copy that did not come to its end begins anew, with another slot, because its snapshot is gone
 * with its connection; what it left is removed before.
 *
 * @throws TributaryError `FIRST_LOAD_FAILED`, `SOURCE_UNAVAILABLE`, `SINK_UNAVAILABLE`,
 * `SINK_REFUSED`, `BROKER_UNAVAILABLE`, `MASK_REFUSED`; the abort reason
 */
export async function firstLoad(target: LoadTarget, parts: LoadParts): Promise<LoadOutcome> {
  const holder = await connectSource(target.source, {});
  try {
    await lockSource(target, holder, parts.signal);
    const before = await parts.loads.read(target.source.name);
    const isUnfinished = before?.state === 'copying' || before?.state === 'copied';
    const slot = await findSlot(holder, target.slot);
    if (before?.state === 'copied' && slot !== undefined) {
      const tables = await parts.loads.tables(target.source.name);
      return { kind: 'copied', slotLsn: before.slotLsn, tables, tookMs: 0 };
    }
    if (target.connectorExists) return { kind: 'known' };
    if (isUnfinished) await undo(target, holder, parts);
    else if (slot !== undefined || (await parts.loads.hasTables(target.source.name)))
      return { kind: 'known' };
    return await copyUnderSlot(target, holder, parts);
  } finally {
    await holder.end().catch(() => undefined);
  }
}

/** Says that the connector has been put behind the copied rows. */
export async function markStreaming(source: string, loads: LoadLedger): Promise<void> {
  const load = await loads.read(source);
  if (load !== undefined) await loads.write({ ...load, state: 'streaming' });
}

async function copyUnderSlot(
  target: LoadTarget,
  holder: pg.Client,
  parts: LoadParts,
): Promise<LoadOutcome> {
  const { source, slot } = target;
  const { loads, signal } = parts;
  const began: FirstLoad = {
    source: source.name,
    state: 'copying',
    slotLsn: '',
    readAt: null,
    reason: '',
    startedAt: Date.now(),
  };
  // Before there is a slot: whoever finds one then knows whose it is.
  await loads.write(began);
  let snapshot: SourceSnapshot | undefined;
  try {
    await lockTables(source.name, holder, target.tables);
    await rememberLocked(target, holder, parts);
    snapshot = await openSourceSnapshot(source, slot);
    const load = { ...began, slotLsn: snapshot.slotLsn, readAt: snapshot.readAt };
    await loads.write(load);
    const reason = await reasonAgainst(target, snapshot);
    if (reason !== undefined) return await leaveToConnector(target, reason, snapshot, parts);
    const tables = await copyAll(target, snapshot, parts);
    await loads.write({ ...load, state: 'copied' });
    return {
      kind: 'copied',
      slotLsn: snapshot.slotLsn,
      tables,
      tookMs: Date.now() - began.startedAt,
    };
  } catch (error) {
    if (messageCode(error) === 'VALUE_REJECTED' && snapshot !== undefined) {
      signal.throwIfAborted();
      const reason = `${(error as Error).message}: a value is beyond what its column's type holds there`;
      return await leaveToConnector(target, reason, snapshot, parts);
    }
    await snapshot?.close();
    // Nobody reads it, and it would keep the log of the source for ever.
    await dropSlot(target).catch(() => undefined);
    throw loadFailed(source.name, 'the first load', error);
  } finally {
    await snapshot?.close();
  }
}

async function copyAll(
  target: LoadTarget,
  snapshot: SourceSnapshot,
  parts: LoadParts,
): Promise<TableProgress[]> {
  const { source, topicOf } = target;
  const { loads, resyncs } = parts;
  const tables: (LoadTable & { readonly from: ReadonlyMap<number, Offset> })[] = [];
  for (const table of target.tables) {
    const topic = topicOf(table);
    const newest = (await resyncs.resyncs(topic)).at(-1)?.epoch ?? FIRST_EPOCH;
    const from = await parts.endOffsets(topic);
    // Records that an earlier life of the source left in the topic must not win over copied rows.
    const hasRecords = [...from.values()].some((end) => end > 0n);
    tables.push({ ...table, from, epoch: (hasRecords ? newest + 1 : newest) as Epoch });
  }
  const beganAt = Date.now();
  let progress: readonly TableProgress[] = [];
  let writing: Promise<unknown> = Promise.resolve();
  const report = () => {
    parts.onProgress({ source: source.name, tables: progress, elapsedMs: Date.now() - beganAt });
    writing = writing.then(() => loads.writeTables(source.name, progress).catch(() => undefined));
  };
  // Before anything is made of them: whoever finds a table of an unfinished load removes it.
  await loads.writeTables(
    source.name,
    tables.map((table) => ({ ...table, rowsExpected: 0, rowsCopied: 0, isDone: false })),
  );
  using pauses = await watchPauses(parts.warehouse, source.name);
  const timer = setInterval(report, WRITE_MS);
  try {
    const copied = await copyTables(source, snapshot, tables, {
      warehouse: parts.warehouse,
      sink: parts.sink,
      columnNames: parts.columnNames,
      publication: target.publication,
      isPaused: pauses.isPaused,
      signal: parts.signal,
      onProgress: (now) => (progress = [...now]),
    });
    await writing;
    await loads.writeTables(source.name, copied);
    for (const [index, { schema, table, epoch, from }] of tables.entries()) {
      await resyncs.write({
        topic: topicOf({ schema, table }),
        epoch: (epoch + 1) as Epoch,
        source: source.name,
        schema,
        table,
        state: 'done',
        from,
        snapshot: '',
        until: new Map(),
        reason: 'first load',
        startedAt: beganAt,
        readAt: snapshot.readAt,
        rowsRead: copied[index]?.rowsCopied ?? 0,
        rowsWritten: copied[index]?.rowsCopied ?? 0,
        rowsRemoved: 0,
      });
    }
    parts.onProgress({ source: source.name, tables: copied, elapsedMs: Date.now() - beganAt });
    return copied;
  } finally {
    clearInterval(timer);
    await writing;
  }
}

/** Why the connector's own snapshot has to do it, if it has. */
async function reasonAgainst(
  { outbox }: LoadTarget,
  { first }: SourceSnapshot,
): Promise<string | undefined> {
  if (outbox === undefined) return undefined;
  const { rows } = await first.query<{ found: boolean }>(
    `SELECT EXISTS (SELECT FROM ${relationOf(outbox)}) AS found`,
  );
  return rows[0]?.found === true
    ? `its outbox ${outbox.schema}.${outbox.table} has rows already, and only a snapshot of the connector publishes them as events`
    : undefined;
}

async function leaveToConnector(
  target: LoadTarget,
  reason: string,
  snapshot: SourceSnapshot,
  parts: LoadParts,
): Promise<LoadOutcome> {
  const { name } = target.source;
  await snapshot.close();
  const holder = await connectSource(target.source, {});
  try {
    await undo(target, holder, parts);
  } finally {
    await holder.end().catch(() => undefined);
  }
  const load = await parts.loads.read(name);
  if (load !== undefined) await parts.loads.write({ ...load, state: 'snapshot', reason });
  return { kind: 'snapshot', reason };
}

/** Removes what an unfinished load left: its slot and its tables. */
async function undo(
  { source, slot }: LoadTarget,
  database: pg.Client,
  { loads, warehouse }: LoadParts,
): Promise<void> {
  try {
    await dropFreeSlot(database, slot);
  } catch (error) {
    throw loadFailed(
      source.name,
      `dropping the slot ${slot} of a load that was not finished`,
      error,
    );
  }
  for (const { schema, table } of await loads.tables(source.name)) {
    await removeTable(warehouse, {
      source: source.name,
      relation: relationName(schema, table),
    });
  }
}

/** What the tables are from here on is news; they are locked, so nothing slips in between. */
async function rememberLocked(
  { source, tables, publication }: LoadTarget,
  holder: pg.Client,
  { warehouse }: LoadParts,
): Promise<void> {
  const now = await readPublishedTables(holder, source, publication);
  const copied = now.published.filter((found) =>
    tables.some(({ schema, table }) => found.schema === schema && found.table === table),
  );
  const { learned } = reviewTables([], { ...now, published: copied });
  await rememberTables(warehouse, source.name, learned);
}

async function findSlot(
  database: pg.Client,
  slot: string,
): Promise<{ readonly active: boolean } | undefined> {
  const { rows } = await database.query<{ active: boolean }>(
    'SELECT active FROM pg_replication_slots WHERE slot_name = $1',
    [slot],
  );
  return rows[0];
}

/** Drops a slot, once the server has missed the connection that was making it. */
async function dropFreeSlot(database: pg.Client, slot: string): Promise<void> {
  const deadline = Date.now() + SLOT_WAIT_MS;
  for (;;) {
    const found = await findSlot(database, slot);
    if (found === undefined) return;
    if (!found.active || Date.now() > deadline) break;
    await delay(LOCK_POLL_MS);
  }
  await database.query('SELECT pg_drop_replication_slot($1)', [slot]);
}

async function dropSlot({ source, slot }: LoadTarget): Promise<void> {
  const database = await connectSource(source, {});
  try {
    await dropFreeSlot(database, slot);
  } finally {
    await database.end().catch(() => undefined);
  }
}

/** One at a time. The lock is the source's: it holds between machines, and ends with its holder. */
async function lockSource(
  { source, slot }: LoadTarget,
  holder: pg.Client,
  signal: AbortSignal,
): Promise<void> {
  const deadline = Date.now() + LOCK_WAIT_MS;
  for (;;) {
    const { rows } = await holder.query<{ done: boolean }>(
      'SELECT pg_try_advisory_lock(hashtextextended($1, 0)) AS done',
      [`tributary first load ${slot}`],
    );
    if (rows[0]?.done === true) return;
    if (Date.now() > deadline) {
      throw new TributaryError(
        'FIRST_LOAD_FAILED',
        `source ${source.name}: another process is loading it`,
        { fix: 'Wait until that one is done.' },
      );
    }
    await delay(LOCK_POLL_MS, undefined, { signal });
  }
}
