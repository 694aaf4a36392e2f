import type { ClickHouseClient } from '@clickhouse/client';
import { sinkError } from '../sink/clickhouse-error.ts';

/** A table that may differ from its source in a way that no change event will mend. */
export interface ResyncRequest {
  readonly source: string;
  /** Schema of the table in Postgres. */
  readonly schema: string;
  /** Name of the table in Postgres. */
  readonly table: string;
  /** Why; shown to people. Holds no value of a row. */
  readonly reason: string;
}

/**
 * Asks for a table to be loaded anew. Who watches `ops.resync_requests` does it (`tributary up`
 * does); elsewhere `tributary resync --requested`.
 *
 * @throws TributaryError `SINK_UNAVAILABLE`, `SINK_REFUSED`
 */
export async function requestResync(
  client: ClickHouseClient,
  { source, schema, table, reason }: ResyncRequest,
): Promise<void> {
  try {
    await client.insert({
      table: 'ops.resync_requests',
      values: [{ source, table_schema: schema, table_name: table, reason }],
      format: 'JSONEachRow',
    });
  } catch (error) {
    throw sinkError(error, `asking for a resync of ${source}.${schema}.${table}`);
  }
}
