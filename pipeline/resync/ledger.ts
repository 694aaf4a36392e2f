import type { ClickHouseClient } from '@clickhouse/client';
import { gather } from '#runtime/gather.ts';
import type { EpochStart } from '../change/epoch-timeline.ts';
import { parseOffset, type Offset } from '../change/offset.ts';
import { parseTransactionSnapshot } from '../change/transaction-snapshot.ts';
import type { Epoch } from '../change/version.ts';
import { sinkError } from '../sink/clickhouse-error.ts';
import { requestResync, type ResyncRequest } from './request-resync.ts';

/**
 * How far a resync is.
 *
 * - `pausing`: its markers are sent, its snapshot is not taken; partitions that reached theirs wait.
 * - `copying`: the snapshot is known, changes after it are of the new epoch.
 * - `done`; `failed`: the snapshot holds, but not every row was put right.
 * - `abandoned`: there is no snapshot, the epoch never began.
 */
export type ResyncState = 'pausing' | 'copying' | 'done' | 'failed' | 'abandoned';

/** One resync of one table, as `ops.resyncs` keeps it. */
export interface Resync {
  readonly topic: string;
  readonly epoch: Epoch;
  readonly source: string;
  /** Schema and name of the table in Postgres. */
  readonly schema: string;
  readonly table: string;
  readonly state: ResyncState;
  readonly from: ReadonlyMap<number, Offset>;
  /** What `pg_current_snapshot()` printed; empty when positions began anew. */
  readonly snapshot: string;
  /** Empty until it is known. */
  readonly until: ReadonlyMap<number, Offset>;
  readonly reason: string;
  /** Milliseconds since 1970. */
  readonly startedAt: number;
  /** When the snapshot was taken, by the source's clock, as ClickHouse spells it; null before. */
  readonly readAt: string | null;
  readonly rowsRead: number;
  readonly rowsWritten: number;
  readonly rowsRemoved: number;
}

/** A partition that waits for a resync. */
export interface Pause {
  readonly topic: string;
  readonly partition: number;
  /** Of a marker the epoch it announces, of a regression the one it broke. */
  readonly epoch: Epoch;
  /** `regression`: positions went back, or keys changed their partitions. */
  readonly kind: 'marker' | 'regression';
  readonly offset: Offset;
}

/** A resync whose author has not been heard of for so long, in milliseconds, is abandoned. */
const SILENCE_MS = 20_000;

/**
 * What the pipeline and a resync tell each other.
 *
 * Every method rejects with a TributaryError: `SINK_UNAVAILABLE`, `SINK_REFUSED`.
 */
export interface ResyncLedger {
  /** Resyncs of a topic, also those that failed. */
  resyncs(topic: string): Promise<Resync[]>;
  write(resync: Resync): Promise<void>;
  /** Gives up a resync that is still `pausing` although nobody works on it any more. */
  abandonIfSilent(resync: Resync): Promise<void>;
  pauses(topic: string): Promise<Pause[]>;
  pause(pause: Pause): Promise<void>;
  /** Asks for a resync, which is done when somebody serves requests. */
  request(request: ResyncRequest): Promise<void>;
  /** How many partitions a topic had when an epoch was first read; undefined before. */
  partitions(topic: string, base: Epoch): Promise<number | undefined>;
  notePartitions(topic: string, base: Epoch, partitions: number): Promise<void>;
}

interface ResyncRow {
  topic: string;
  epoch: number;
  source: string;
  table_schema: string;
  table_name: string;
  state: ResyncState;
  from_offsets: Record<string, string>;
  snapshot: string;
  until_offsets: Record<string, string>;
  reason: string;
  started_at: string;
  read_at: string | null;
  rows_read: string;
  rows_written: string;
  rows_removed: string;
}

function resyncOf(row: ResyncRow): Resync {
  return {
    topic: row.topic,
    epoch: row.epoch as Epoch,
    source: row.source,
    schema: row.table_schema,
    table: row.table_name,
    state: row.state,
    from: offsetsOf(row.from_offsets),
    snapshot: row.snapshot,
    until: offsetsOf(row.until_offsets),
    reason: row.reason,
    startedAt: Number(row.started_at),
    readAt: row.read_at,
    rowsRead: Number(row.rows_read),
    rowsWritten: Number(row.rows_written),
    rowsRemoved: Number(row.rows_removed),
  };
}

/** The ledger in ClickHouse's database `ops`. */
export function createLedger(client: ClickHouseClient): ResyncLedger {
  async function select<T>(query: string, params: Record<string, unknown>): Promise<T[]> {
    try {
      const result = await client.query({
        query,
        query_params: params,
        format: 'JSONEachRow',
        clickhouse_settings: { output_format_json_quote_64bit_integers: 1 },
      });
      return await result.json<T>();
    } catch (error) {
      throw sinkError(error, 'reading the resyncs');
    }
  }

  async function insert(table: string, row: Record<string, unknown>): Promise<void> {
    try {
      await client.insert({ table, values: [row], format: 'JSONEachRow' });
    } catch (error) {
      throw sinkError(error, `writing to ${table}`);
    }
  }

  // A process that is given a thousand topics asks for all of them at once.
  const resyncs = gather(async (topics: readonly string[]) => {
    const rows = await select<ResyncRow>(
      `SELECT * REPLACE (toString(toUnixTimestamp64Milli(started_at)) AS started_at)
       FROM ops.resyncs FINAL WHERE topic IN {topics:Array(String)} ORDER BY epoch`,
      { topics },
    );
    return topics.map((topic) => rows.filter((row) => row.topic === topic).map(resyncOf));
  });

  const ledger: ResyncLedger = {
    resyncs,

    write: (resync) =>
      insert('ops.resyncs', {
        topic: resync.topic,
        epoch: resync.epoch,
        source: resync.source,
        table_schema: resync.schema,
        table_name: resync.table,
        state: resync.state,
        from_offsets: recordOf(resync.from),
        snapshot: resync.snapshot,
        until_offsets: recordOf(resync.until),
        reason: resync.reason,
        started_at: new Date(resync.startedAt).toISOString().slice(0, -1).replace('T', ' '),
        read_at: resync.readAt,
        rows_read: resync.rowsRead,
        rows_written: resync.rowsWritten,
        rows_removed: resync.rowsRemoved,
      }),

    async abandonIfSilent(resync) {
      const silent = await select(
        `SELECT 1 FROM ops.resyncs FINAL
         WHERE topic = {topic:String} AND epoch = {epoch:UInt16} AND state = 'pausing'
           AND updated_at < now64(3) - INTERVAL {silence:UInt32} MILLISECOND`,
        { topic: resync.topic, epoch: resync.epoch, silence: SILENCE_MS },
      );
      if (silent.length > 0) await ledger.write({ ...resync, state: 'abandoned' });
    },

    async pauses(topic) {
      const rows = await select<{
        partition: number;
        epoch: number;
        kind: Pause['kind'];
        offset: string;
      }>(
        `SELECT partition, epoch, kind, offset FROM ops.resync_pauses FINAL
         WHERE topic = {topic:String}`,
        { topic },
      );
      return rows.map(({ partition, epoch, kind, offset }) => ({
        topic,
        partition,
        epoch: epoch as Epoch,
        kind,
        offset: parseOffset(offset),
      }));
    },

    async partitions(topic, base) {
      const [row] = await select<{ partitions: number }>(
        `SELECT min(partitions) AS partitions FROM ops.topic_partitions
         WHERE topic = {topic:String} AND epoch = {base:UInt16} HAVING count() > 0`,
        { topic, base },
      );
      return row?.partitions;
    },

    notePartitions: (topic, epoch, partitions) =>
      insert('ops.topic_partitions', { topic, epoch, partitions }),

    pause: ({ topic, partition, epoch, kind, offset }) =>
      insert('ops.resync_pauses', { topic, partition, epoch, kind, offset: offset.toString() }),

    request: (request) => requestResync(client, request),
  };
  return ledger;
}

/**
 * Topics of tables that wait for a resync, because their positions went back or their keys moved.
 *
 * @throws TributaryError `SINK_UNAVAILABLE`, `SINK_REFUSED`
 */
export async function waitingTopics(client: ClickHouseClient): Promise<string[]> {
  try {
    const result = await client.query({
      query: `SELECT DISTINCT topic FROM ops.resync_pauses AS p FINAL LEFT JOIN (
                SELECT topic, max(epoch) AS base FROM ops.resyncs FINAL
                WHERE state = 'done' AND snapshot = '' GROUP BY topic) AS r USING (topic)
              WHERE p.kind = 'regression' AND p.epoch >= r.base ORDER BY topic`,
      format: 'JSONEachRow',
    });
    return (await result.json<{ topic: string }>()).map(({ topic }) => topic);
  } catch (error) {
    throw sinkError(error, 'reading which tables wait for a resync');
  }
}

/** The epochs that resyncs began. */
export function epochStarts(resyncs: readonly Resync[]): EpochStart[] {
  return resyncs
    .filter(({ state }) => state !== 'pausing' && state !== 'abandoned')
    .map(({ epoch, from, snapshot, until }) => ({
      epoch,
      from,
      snapshot: snapshot === '' ? undefined : parseTransactionSnapshot(snapshot),
      until: until.size === 0 ? undefined : until,
    }));
}

function offsetsOf(record: Readonly<Record<string, string>>): Map<number, Offset> {
  return new Map(
    Object.entries(record).map(([partition, offset]) => [Number(partition), parseOffset(offset)]),
  );
}

function recordOf(offsets: ReadonlyMap<number, Offset>): Record<string, string> {
  return Object.fromEntries(
    [...offsets].map(([partition, offset]) => [partition, offset.toString()]),
  );
}
