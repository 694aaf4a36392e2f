import { ClickHouseError, type ClickHouseClient } from '@clickhouse/client';
import { createConnectClient } from '../../connectors/connect-client.ts';
import { captureNames } from '../../connectors/connector-config.ts';
import { stateOf } from '../../connectors/apply.ts';
import type { Freshness, SourceFreshness } from '../wire.ts';

const HEALTH_TIMEOUT_MS = 1_000;
const CONNECT_TIMEOUT_MS = 2_000;
/** Holds two looks of the pipeline and the time that a database away may take to be given up. */
const LOOKS_WINDOW_SECONDS = 45;

/** Who tells how fresh the warehouse is. */
export interface FreshnessParts {
  readonly client: ClickHouseClient;
  /** Health address of the pipeline, when it is known. */
  readonly pipelineHealthUrl?: string | undefined;
  /** REST address of Kafka Connect, when it is known. */
  readonly connectUrl?: string | undefined;
}

/**
 * Finds out how fresh sources are: what the pipeline has measured, and whether whoever brings their
 * changes is at work.
 *
 * That no change came says nothing by itself: perhaps there was none. So a source counts as stopped
 * only when its connector or the pipeline is known not to run, its database does not answer, or
 * nobody reads its replication slot.
 *
 * @throws what the client of the warehouse throws
 */
export async function readFreshness(
  { client, pipelineHealthUrl, connectUrl }: FreshnessParts,
  signal: AbortSignal,
): Promise<Freshness> {
  const [measured, away, pipeline, connectors] = await Promise.all([
    measuredFreshness(client, signal),
    awaySources(client, signal),
    pipelineHealthUrl === undefined ? undefined : pipelineStop(pipelineHealthUrl, signal),
    connectUrl === undefined ? undefined : connectorStates(connectUrl, signal),
  ]);
  const states = connectors instanceof Map ? connectors : new Map<string, string>();
  return {
    now: Date.now(),
    sources: measured.map((source) => {
      const state = states.get(captureNames(source.source).connector);
      const stopped =
        state === undefined || state === 'RUNNING'
          ? away.get(source.source)
          : `its connector is ${state}`;
      return stopped === undefined ? source : { ...source, stopped };
    }),
    stopped: pipeline ?? (connectors === 'silent' ? 'Kafka Connect does not answer' : undefined),
  };
}

async function measuredFreshness(
  client: ClickHouseClient,
  signal: AbortSignal,
): Promise<SourceFreshness[]> {
  const result = await client.query({
    // Aliases that are no names of columns: an aggregate's alias would be taken for its argument.
    query: `SELECT
              f.source AS name,
              toUnixTimestamp64Milli(max(f.last_committed_at)) AS committed,
              toUnixTimestamp64Milli(max(f.observed_at)) AS stored,
              sumIf(f.lag_p50_ms * f.changes, f.observed_at > now64(3) - INTERVAL 1 MINUTE)
                / nullIf(sumIf(f.changes, f.observed_at > now64(3) - INTERVAL 1 MINUTE), 0) AS p50,
              maxOrNullIf(f.lag_p99_ms, f.observed_at > now64(3) - INTERVAL 1 MINUTE) AS p99
            FROM ops.freshness AS f GROUP BY f.source ORDER BY f.source`,
    format: 'JSONEachRow',
    clickhouse_settings: { output_format_json_quote_64bit_integers: 0 },
    abort_signal: signal,
  });
  const rows = await result.json<{
    name: string;
    committed: number;
    stored: number;
    p50: number | null;
    p99: number | null;
  }>();
  return rows.map(({ name, committed, stored, p50, p99 }) => ({
    source: name,
    lastCommittedAt: committed,
    lastStoredAt: stored,
    ...(p50 === null ? {} : { lagP50Ms: p50 }),
    ...(p99 === null ? {} : { lagP99Ms: p99 }),
  }));
}

/**
 * Why changes do not come, of sources whose database the pipeline could not ask lately, or whose slot
 * was idle at two looks: a connector that has lost its connection is `RUNNING` as well.
 */
async function awaySources(
  client: ClickHouseClient,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, string>> {
  try {
    const result = await client.query({
      query: `SELECT source,
                     multiIf(
                       argMax(l.problem, l.looked_at) != '', 'its database does not answer',
                       argMax(l.wal_status, l.looked_at) = 'lost', 'its replication slot is lost',
                       count() > 1 AND countIf(ifNull(l.slot_active, false)) = 0, 'nobody reads its replication slot',
                       '') AS why
              FROM ops.source_looks AS l
              WHERE l.looked_at > now64(3) - INTERVAL ${LOOKS_WINDOW_SECONDS} SECOND
              GROUP BY source`,
      format: 'JSONEachRow',
      abort_signal: signal,
    });
    const rows = await result.json<{ source: string; why: string }>();
    return new Map(rows.flatMap(({ source, why }) => (why === '' ? [] : [[source, why]])));
  } catch (error) {
    // A warehouse or a user from before there were looks: then as much is said as was before.
    if (error instanceof ClickHouseError && ['60', '497'].includes(error.code)) return new Map();
    throw error;
  }
}

/** Why the pipeline stores nothing; undefined when it is at work. */
async function pipelineStop(url: string, signal: AbortSignal): Promise<string | undefined> {
  try {
    const response = await fetch(url, {
      signal: AbortSignal.any([signal, AbortSignal.timeout(HEALTH_TIMEOUT_MS)]),
    });
    await response.body?.cancel();
    return response.ok ? undefined : 'the pipeline is stopping';
  } catch {
    signal.throwIfAborted();
    return 'the pipeline does not answer';
  }
}

/** States of connectors by name, as Kafka Connect calls them. */
async function connectorStates(
  url: string,
  signal: AbortSignal,
): Promise<Map<string, string> | 'silent'> {
  try {
    const timeout = AbortSignal.any([signal, AbortSignal.timeout(CONNECT_TIMEOUT_MS)]);
    const live = await createConnectClient(url).list(timeout);
    return new Map([...live].map(([name, { status }]) => [name, stateOf(status)]));
  } catch {
    signal.throwIfAborted();
    return 'silent';
  }
}
