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
 * Asks for a table to be loaded anew. `tributary up` serves requests; elsewhere
 * `tributary resync --requested` does.
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

/**
 * Requests that no resync has served: of each table the first.
 *
 * @throws TributaryError `SINK_UNAVAILABLE`, `SINK_REFUSED`
 */
export async function openRequests(client: ClickHouseClient): Promise<ResyncRequest[]> {
  try {
    const result = await client.query({
      query: `SELECT r.source AS source, r.table_schema AS schema, r.table_name AS "table",
                     argMin(r.reason, r.requested_at) AS reason
              FROM ops.resync_requests AS r LEFT JOIN (
                SELECT source, table_schema, table_name, max(started_at) AS served_at
                FROM ops.resyncs FINAL WHERE state = 'done' AND snapshot != ''
                GROUP BY source, table_schema, table_name) AS s
              USING (source, table_schema, table_name)
              WHERE r.requested_at > s.served_at
              GROUP BY source, schema, "table" ORDER BY min(r.requested_at)`,
      format: 'JSONEachRow',
    });
    return await result.json<ResyncRequest>();
  } catch (error) {
    throw sinkError(error, 'reading the requests for resyncs');
  }
}
