import type { ClickHouseClient } from '@clickhouse/client';
import { sinkError } from '../sink/clickhouse-error.ts';

/** How a rule stands, by what its monitor has written. Times are in milliseconds since 1970. */
export interface RuleStatus {
  readonly rule: string;
  readonly open: number;
  readonly unconfirmed: number;
  readonly oldestAt: number | undefined;
  /** When a round was last written; undefined: never. */
  readonly lookedAt: number | undefined;
  /** Why the last round could not be done; empty when it was. */
  readonly problem: string;
}

/**
 * Reads how rules stand.
 *
 * @throws TributaryError `SINK_UNAVAILABLE`, `SINK_REFUSED`
 */
export async function readDriftStatus(
  client: ClickHouseClient,
  rules: readonly string[],
): Promise<RuleStatus[]> {
  const millis = (time: string) => `toUnixTimestamp64Milli(${time})`;
  try {
    const result = await client.query({
      query: `
        SELECT rule, sum(is_open) AS open, sum(is_unconfirmed) AS unconfirmed,
               min(opened) AS "oldestAt", max(looked) AS "lookedAt", max(why) AS problem
        FROM (
          SELECT rule, state = 'open' AS is_open, state = 'unconfirmed' AS is_unconfirmed,
                 if(state = 'open', toNullable(${millis('opened_at')}), NULL) AS opened,
                 NULL AS looked, '' AS why
          FROM ops.drift_findings FINAL WHERE state IN ('open', 'unconfirmed')
          UNION ALL
          SELECT rule, 0, 0, NULL, ${millis('max(looked_at)')}, argMax(problem, looked_at)
          FROM ops.drift_rounds GROUP BY rule
        ) WHERE rule IN {rules:Array(String)} GROUP BY rule`,
      query_params: { rules: [...rules] },
      format: 'JSONEachRow',
      clickhouse_settings: { output_format_json_quote_64bit_integers: 0 },
    });
    const rows = await result.json<{
      rule: string;
      open: number;
      unconfirmed: number;
      oldestAt: number | null;
      lookedAt: number | null;
      problem: string;
    }>();
    return rules.map((rule) => {
      const row = rows.find((one) => one.rule === rule);
      return {
        rule,
        open: row?.open ?? 0,
        unconfirmed: row?.unconfirmed ?? 0,
        oldestAt: row?.oldestAt ?? undefined,
        lookedAt: row?.lookedAt ?? undefined,
        problem: row?.problem ?? '',
      };
    });
  } catch (error) {
    throw sinkError(error, 'reading how the rules of drift stand');
  }
}
