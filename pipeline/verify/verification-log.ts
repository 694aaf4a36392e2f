import type { ClickHouseClient } from '@clickhouse/client';
import { sinkError } from '../sink/clickhouse-error.ts';
import { agrees, type TableComparison } from './verify-table.ts';

/** A comparison of one table, and when it was made. */
export interface Verification {
  readonly comparison: TableComparison;
  /** One id for all tables that are compared together: a UUID. */
  readonly run: string;
  /** When it began, in milliseconds since 1970. */
  readonly verifiedAt: number;
  readonly tookMs: number;
}

/**
 * Keeps what came of a comparison in `ops.verifications`: counts and names of columns, no keys and
 * no values.
 *
 * @throws TributaryError `SINK_UNAVAILABLE`, `SINK_REFUSED`
 */
export async function recordVerification(
  client: ClickHouseClient,
  { comparison, run, verifiedAt, tookMs }: Verification,
): Promise<void> {
  try {
    await client.insert({
      table: 'ops.verifications',
      format: 'JSONEachRow',
      values: [
        {
          verified_at: new Date(verifiedAt).toISOString().replace('T', ' ').replace('Z', ''),
          run,
          source: comparison.source,
          table_schema: comparison.schema,
          table_name: comparison.table,
          outcome: outcomeOf(comparison),
          source_rows: comparison.sourceRows,
          warehouse_rows: comparison.warehouseRows,
          missing: comparison.missing,
          surplus: comparison.surplus,
          different: comparison.different,
          is_cut: comparison.cut,
          undecided: comparison.undecided,
          not_compared: comparison.notCompared,
          problem: comparison.problem ?? comparison.notComparable ?? '',
          took_ms: tookMs,
        },
      ],
    });
  } catch (error) {
    throw sinkError(error, 'keeping the result of a comparison');
  }
}

function outcomeOf(comparison: TableComparison): string {
  if (comparison.problem !== undefined) return 'failed';
  if (comparison.notComparable !== undefined) return 'not compared';
  return agrees(comparison) ? 'equal' : 'different';
}
