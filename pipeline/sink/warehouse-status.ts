import type { ClickHouseClient } from '@clickhouse/client';
import { sinkError } from './clickhouse-error.ts';
import { quoteName } from './identifier.ts';

/** What the warehouse says of one source. */
export interface SourceFreshness {
  readonly source: string;
  readonly tables: number;
  /** Rows that the current views show, over all tables. */
  readonly rows: bigint;
  /** Changes per second over the last {@link WINDOW_SECONDS}. */
  readonly changesPerSecond: number;
  /**
   * End-to-end lag of the changes in that time, in milliseconds; undefined when there were none,
   * which is not the same as no lag.
   */
  readonly lagP50Ms: number | undefined;
  readonly lagP99Ms: number | undefined;
}

/** Seconds that rates and lags are taken over. */
export const WINDOW_SECONDS = 10;

/**
 * Reads size and freshness of sources off the warehouse.
 *
 * @throws TributaryError `SINK_UNAVAILABLE`, `SINK_REFUSED`
 */
export async function readFreshness(
  client: ClickHouseClient,
  sources: readonly string[],
  windowSeconds: number = WINDOW_SECONDS,
): Promise<ReadonlyMap<string, SourceFreshness>> {
  try {
    const recent = await query<{
      source: string;
      total: string;
      p50: number;
      p99: number;
    }>(
      client,
      // Quantiles of quantiles are not quantiles: weighting the medians by changes is the estimate
      // that does not favour idle seconds, and the highest p99 never understates.
      `SELECT source, toString(sum(f.changes)) AS total,
              sum(lag_p50_ms * f.changes) / sum(f.changes) AS p50, max(lag_p99_ms) AS p99
       FROM ops.freshness AS f
       WHERE observed_at > now64(3) - INTERVAL {seconds:UInt32} SECOND GROUP BY source`,
      { seconds: windowSeconds },
    );
    const views = await query<{ database: string; name: string }>(
      client,
      `SELECT database, name FROM system.tables
       WHERE database IN {sources:Array(String)} AND engine = 'View'`,
      { sources },
    );
    const counts = await Promise.all(
      views.map(async ({ database, name }) => {
        const [row] = await query<{ count: string }>(
          client,
          `SELECT toString(count()) AS count FROM ${quoteName(database)}.${quoteName(name)}`,
          {},
        );
        return { database, count: BigInt(row?.count ?? '0') };
      }),
    );
    return new Map(
      sources.map((source) => {
        const lag = recent.find((entry) => entry.source === source);
        const own = counts.filter((entry) => entry.database === source);
        return [
          source,
          {
            source,
            tables: own.length,
            rows: own.reduce((sum, { count }) => sum + count, 0n),
            changesPerSecond: Number(lag?.total ?? 0) / windowSeconds,
            lagP50Ms: lag?.p50,
            lagP99Ms: lag?.p99,
          },
        ];
      }),
    );
  } catch (error) {
    throw sinkError(error, 'reading the freshness of the warehouse');
  }
}

async function query<T>(
  client: ClickHouseClient,
  text: string,
  params: Record<string, unknown>,
): Promise<T[]> {
  const result = await client.query({ query: text, query_params: params, format: 'JSONEachRow' });
  return result.json<T>();
}
