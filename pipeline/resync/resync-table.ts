import { setTimeout as delay } from 'node:timers/promises';
import type { ClickHouseClient } from '@clickhouse/client';
import pg from 'pg';
import { TributaryError } from '#runtime/errors.ts';
import type { Source } from '../catalog/catalog.ts';
import { tableRules } from '../catalog/column-rules.ts';
import type { Mask } from '../catalog/mask.ts';
import type { Offset } from '../change/offset.ts';
import { isUnseen, parseTransactionSnapshot } from '../change/transaction-snapshot.ts';
import { FIRST_EPOCH, type Epoch } from '../change/version.ts';
import { knownColumns } from '../evolution/column-memory.ts';
import type { Sink } from '../sink/sink.ts';
import { storedColumns } from '../sink/stored-columns.ts';
import { CHANGES } from '../sink/table-ddl.ts';
import { quoteName } from '../sink/identifier.ts';
import { sinkError } from '../sink/clickhouse-error.ts';
import { relationName, storageName, storedNames } from '../transform/table-plan.ts';
import { maskedText } from '../verify/masked-text.ts';
import { sourceColumns } from '../verify/table-shape.ts';
import { cleanMasked } from './clean-masked.ts';
import { createPace } from './copy-pace.ts';
import { watchPauses } from './copy-pauses.ts';
import { copyShares } from './copy-shares.ts';
import { copyText, typeOf } from './copy-text.ts';
import { hashFields } from './hash-fields.ts';
import type { Resync, ResyncLedger } from './ledger.ts';
import { planFromSource } from './source-plan.ts';
import { copyFailed, openSourceCopy, readStorageId, type SourceCopy } from './source-copy.ts';
import { StagedCopy, type Corrections } from './staged-copy.ts';
import { planReads } from './table-reads.ts';
import type { Turn } from './turn.ts';

/** A table to load anew. */
export interface ResyncTarget {
  readonly source: Source;
  /** Schema and name in Postgres. */
  readonly schema: string;
  readonly table: string;
  readonly topic: string;
  /** Why, for `ops.resyncs`. */
  readonly reason: string;
}

/** What a resync works with. */
export interface ResyncParts {
  readonly warehouse: ClickHouseClient;
  readonly sink: Pick<Sink, 'prepare'>;
  readonly ledger: ResyncLedger;
  /** Connected to the source's database. */
  readonly database: pg.Client;
  /** End of each partition of the table's topic, which is made if it is not there. */
  readonly endOffsets: () => Promise<ReadonlyMap<number, Offset>>;
  /** Puts a marker into each partition; resolves with their offsets. */
  readonly sendMarkers: (epoch: Epoch) => Promise<ReadonlyMap<number, Offset>>;
  /**
   * Waits until all that was committed before a position of the source's log is in Kafka and what
   * Kafka has then is in the warehouse.
   *
   * @returns the ends of the partitions that were waited for
   */
  readonly catchUp: (lsn: string) => Promise<ReadonlyMap<number, Offset>>;
  /** Taken while rows are copied: several tables would need several times the memory. */
  readonly turn: Turn;
  readonly signal: AbortSignal;
}

/** What a resync found. */
export interface ResyncResult extends Corrections {
  readonly epoch: Epoch;
  /** Rows of the table. */
  readonly read: number;
}

const POLL_MS = 50;
const LOCK_POLL_MS = 200;
/** How long the pipeline may take to reach the markers, in milliseconds. */
const ARRIVAL_MS = 60_000;
/** How often a resync that has not begun yet says that it is still there, in milliseconds. */
const HEARTBEAT_MS = 2_000;
/** A table that is truncated or rewritten while it is copied is copied again, so many times. */
const ATTEMPTS = 3;
/** A transaction that is in the log but not to be seen yet is so for an instant. */
const SNAPSHOT_ATTEMPTS = 200;
/** Records before a marker among which such a one would be. */
const NEAR_RECORDS = 1_000_000;

/**
 * Loads a table anew while its changes keep flowing, and puts right what differs.
 *
 * The table is copied as one transaction sees it. Changes of transactions that it sees keep the
 * epoch they have; those of all others are of a new epoch, whose first version the copied rows get.
 * So whatever is committed after the copy wins over it, to the transaction. To tell which is which,
 * the pipeline has to know the snapshot before it goes on: it waits at a marker in the topic for the
 * moment that takes. Resyncs of one table wait for one another: an epoch and the place of a copy are
 * one's alone.
 *
 * @throws TributaryError `RESYNC_FAILED`, `MASK_REFUSED`, `SOURCE_UNAVAILABLE`, `SINK_UNAVAILABLE`,
 * `BROKER_UNAVAILABLE`; the abort reason
 */
export async function resyncTable(target: ResyncTarget, parts: ResyncParts): Promise<ResyncResult> {
  const unlock = await lockTable(target, parts);
  try {
    for (let attempt = 1; ; attempt += 1) {
      const result = await resyncOnce(target, parts);
      if (result !== undefined) return result;
      if (attempt === ATTEMPTS) {
        throw failed(target, 'it was truncated or rewritten each time it was copied');
      }
    }
  } finally {
    await unlock();
  }
}

/**
 * Waits until nobody else resyncs the table. The lock is the source's: it holds between machines, ends
 * with the connection of whoever is killed, and stands in the way of nothing else.
 */
async function lockTable(
  { schema, table }: ResyncTarget,
  { database, signal }: ResyncParts,
): Promise<() => Promise<unknown>> {
  const ask = async (what: string) => {
    const { rows } = await database.query<{ done: boolean }>(
      `SELECT ${what}(hashtextextended($1, 0)) AS done`,
      [`tributary resync ${schema}.${table}`],
    );
    return rows[0]?.done === true;
  };
  while (!(await ask('pg_try_advisory_lock'))) await delay(LOCK_POLL_MS, undefined, { signal });
  return async () => ask('pg_advisory_unlock').catch(() => false);
}

/** @returns undefined when the table was rewritten meanwhile */
async function resyncOnce(
  target: ResyncTarget,
  parts: ResyncParts,
): Promise<ResyncResult | undefined> {
  const { ledger, signal } = parts;
  const plan = await planCopy(target, parts);
  const begun = await announce(target, parts);
  const heartbeat = setInterval(() => {
    ledger.write(begun).catch(() => undefined);
  }, HEARTBEAT_MS);
  let copy: SourceCopy | undefined;
  let resync = begun;
  const staged = new StagedCopy(parts.warehouse, plan.storage, plan.stored, plan.copied);
  try {
    const from = await parts.sendMarkers(begun.epoch);
    await untilArrived(target, begun.epoch, [...from.keys()], parts);
    copy = await openVisible(target, plan, from, parts);
    clearInterval(heartbeat);
    resync = { ...begun, state: 'copying', from, snapshot: copy.snapshot, readAt: copy.readAt };
    await ledger.write(resync);
    await refuseAbandoned(target, resync, ledger);
    await staged.create();
    let rows = 0;
    using pauses = await watchPauses(parts.warehouse, target.source.name);
    const { selects } = await planReads(copy.first, plan.relation, plan.texts);
    const store = (piece: Buffer) => staged.insert(plan.copied, plan.mask(piece));
    const seen = copy;
    await parts.turn(() =>
      copyShares(
        seen,
        selects.map((select) => ({ select, store })),
        {
          pace: createPace(target.source.copyRowsPerSecond, pauses.isPaused),
          signal,
          onStored: (_, more) => (rows += more),
          explain: (_, error) => copyFailed(target.source.name, 'its rows', error),
        },
      ),
    );
    await copy.close();
    const until = await parts.catchUp(copy.lsn);
    await refuseAbandoned(target, resync, ledger);
    const isSame = async () =>
      (await readStorageId(parts.database, plan.relation)) === copy?.storageId;
    const corrections = (await isSame())
      ? await staged.apply(resync.epoch, copy.readAt)
      : undefined;
    if (corrections === undefined || !(await isSame())) {
      await ledger.write({ ...resync, state: 'failed' });
      return undefined;
    }
    await cleanMasked(parts.warehouse, plan.storage, plan.stored, plan.maskOf);
    await ledger.write({
      ...resync,
      state: 'done',
      until,
      rowsRead: rows,
      rowsWritten: corrections.written,
      rowsRemoved: corrections.removed,
    });
    return { epoch: resync.epoch, read: rows, ...corrections };
  } catch (error) {
    // What has begun has begun: changes are told apart by the snapshot from here on.
    const state = resync.state === 'pausing' ? 'abandoned' : 'failed';
    await ledger.write({ ...resync, state }).catch(() => undefined);
    throw error;
  } finally {
    clearInterval(heartbeat);
    await copy?.close();
    await staged.drop().catch(() => undefined);
  }
}

/** What is copied of a table, and where to. */
interface CopyPlan {
  /** Quoted name at the source. */
  readonly relation: string;
  /** Name of the tables in `current` and `changes`. */
  readonly storage: string;
  readonly stored: Awaited<ReturnType<typeof storedColumns>>;
  /** Stored names of the columns that are copied, and the SQL that prints each. */
  readonly copied: readonly string[];
  readonly texts: readonly string[];
  /** By stored name; also of columns that are no longer copied. */
  readonly maskOf: (column: string) => Mask | undefined;
  /** Hashes what is to be hashed in a piece of tab-separated values. */
  readonly mask: (piece: Buffer) => Buffer;
}

async function planCopy(target: ResyncTarget, parts: ResyncParts): Promise<CopyPlan> {
  const { source, schema, table } = target;
  const storage = storageName({ source: source.name, relation: relationName(schema, table) });
  const columns = await sourceColumns(parts.database, { source: source.name, schema, table });
  const rules = tableRules(source, { schema, table });
  let stored = await storedColumns(parts.warehouse, storage);
  if (stored.length === 0) {
    await parts.sink.prepare(
      planFromSource({ source: source.name, schema, table, columns, rules }),
    );
    stored = await storedColumns(parts.warehouse, storage);
  }
  const types = new Map(stored.map(({ name, type }) => [name, type]));
  const known = await knownColumns(parts.warehouse, { source: source.name, schema, table });
  const published = new Map(known.map((column) => [column.name, column.published]));
  const storedOf = storedNames(columns.map(({ name }) => published.get(name) ?? name));
  const maskByStored = new Map<string, Mask>();
  const copied = columns.flatMap((column) => {
    const name = storedOf.get(published.get(column.name) ?? column.name) ?? column.name;
    const type = types.get(name);
    const mask =
      rules.maskOf(column.name) ?? rules.maskOf(published.get(column.name) ?? column.name);
    if (mask !== undefined) maskByStored.set(name, mask);
    // A column that no change has told of yet comes with the next one.
    if (type === undefined || mask === 'drop') return [];
    const value = pg.escapeIdentifier(column.name);
    const text =
      mask === undefined
        ? copyText(type, typeOf(column, rules.isText(column.name)), value)
        : maskedText(mask, column);
    return [{ name, text, isHashed: mask === 'hash' }];
  });
  const lacking = stored.filter(
    ({ name, isKey }) => isKey && !copied.some((column) => column.name === name),
  );
  if (lacking.length > 0) {
    throw failed(
      target,
      `its key in the warehouse has columns that the source has not: ${lacking.map(({ name }) => name).join(', ')}`,
    );
  }
  return {
    relation: `${pg.escapeIdentifier(schema)}.${pg.escapeIdentifier(table)}`,
    storage,
    stored,
    copied: copied.map(({ name }) => name),
    texts: copied.map(({ text }) => text),
    maskOf: (name) => maskByStored.get(name),
    mask: copied.some(({ isHashed }) => isHashed)
      ? (piece) =>
          hashFields(
            piece,
            copied.map(({ isHashed }) => isHashed),
            rules.hash,
          )
      : (piece) => piece,
  };
}

/** Begins an epoch in the ledger; before it another one, where positions went back. */
async function announce(
  target: ResyncTarget,
  { ledger, endOffsets }: ResyncParts,
): Promise<Resync> {
  const { source, schema, table, topic, reason } = target;
  const resyncs = await ledger.resyncs(topic);
  let newest = resyncs.at(-1)?.epoch ?? FIRST_EPOCH;
  const empty = { topic, source: source.name, schema, table, reason, startedAt: Date.now() };
  const unread = { readAt: null, rowsRead: 0, rowsWritten: 0, rowsRemoved: 0 };
  const base =
    resyncs.findLast(({ snapshot, state }) => snapshot === '' && state === 'done')?.epoch ??
    FIRST_EPOCH;
  const regressions = (await ledger.pauses(topic)).filter(
    ({ kind, epoch }) => kind === 'regression' && epoch === base,
  );
  if (regressions.length > 0) {
    newest = (newest + 1) as Epoch;
    const from = new Map([
      ...(await endOffsets()),
      ...regressions.map(({ partition, offset }) => [partition, offset] as const),
    ]);
    const began = { ...empty, ...unread, epoch: newest, from, until: new Map(), snapshot: '' };
    await ledger.write({ ...began, state: 'done' });
  }
  const resync: Resync = {
    ...empty,
    ...unread,
    epoch: (newest + 1) as Epoch,
    state: 'pausing',
    from: new Map(),
    until: new Map(),
    snapshot: '',
  };
  await ledger.write(resync);
  return resync;
}

async function untilArrived(
  target: ResyncTarget,
  epoch: Epoch,
  partitions: readonly number[],
  { ledger, signal }: ResyncParts,
): Promise<void> {
  const deadline = Date.now() + ARRIVAL_MS;
  for (;;) {
    const pauses = await ledger.pauses(target.topic);
    const missing = partitions.filter(
      (partition) =>
        !pauses.some(
          (pause) =>
            pause.partition === partition && pause.kind === 'marker' && pause.epoch === epoch,
        ),
    );
    if (missing.length === 0) return;
    if (Date.now() > deadline) {
      throw failed(
        target,
        `the pipeline did not get to it within ${ARRIVAL_MS / 1_000} s (partitions ${missing.join(', ')} of topic ${target.topic}): it does not run, is far behind, or has halted this table`,
      );
    }
    await delay(POLL_MS, undefined, { signal });
  }
}

/**
 * Opens a copy that sees everything that the pipeline has stored. A transaction comes to the log
 * first and is seen an instant later; a copy in between would be older than what is stored.
 */
async function openVisible(
  target: ResyncTarget,
  plan: CopyPlan,
  from: ReadonlyMap<number, Offset>,
  { warehouse, signal }: ResyncParts,
): Promise<SourceCopy> {
  const { source } = target;
  for (let attempt = 1; ; attempt += 1) {
    const copy = await openSourceCopy(source.name, source.url, plan.relation);
    try {
      if (await seesAll(warehouse, plan.storage, from, copy.snapshot)) return copy;
      await copy.close();
    } catch (error) {
      await copy.close();
      throw error;
    }
    if (attempt === SNAPSHOT_ATTEMPTS) {
      throw failed(
        target,
        'a transaction that the log has is not to be seen: does a synchronous standby not answer?',
      );
    }
    await delay(POLL_MS, undefined, { signal });
  }
}

async function seesAll(
  warehouse: ClickHouseClient,
  storage: string,
  from: ReadonlyMap<number, Offset>,
  snapshot: string,
): Promise<boolean> {
  const places = [...from].map(
    ([partition, offset]) =>
      `(_partition = ${partition} AND _offset < ${offset} AND _offset + ${NEAR_RECORDS} >= ${offset})`,
  );
  try {
    const result = await warehouse.query({
      query: `SELECT count() AS unseen FROM ${CHANGES}.${quoteName(storage)}
              WHERE (${places.join(' OR ')}) AND ${isUnseen(parseTransactionSnapshot(snapshot))}`,
      format: 'JSONEachRow',
    });
    const [row] = await result.json<{ unseen: string | number }>();
    return Number(row?.unseen) === 0;
  } catch (error) {
    throw sinkError(error, `looking at the last changes of ${storage}`);
  }
}

/** The pipeline gives up a resync that it does not hear of; then its epoch never began. */
async function refuseAbandoned(
  target: ResyncTarget,
  { topic, epoch }: Resync,
  ledger: ResyncLedger,
): Promise<void> {
  const now = (await ledger.resyncs(topic)).find((resync) => resync.epoch === epoch);
  if (now?.state === 'abandoned') {
    throw failed(target, 'the pipeline gave it up, because nothing was heard of it for too long');
  }
}

function failed({ source, schema, table }: ResyncTarget, why: string): TributaryError {
  return new TributaryError('RESYNC_FAILED', `${source.name}: ${schema}.${table}: ${why}`);
}
