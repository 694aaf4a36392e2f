import type { ClickHouseClient } from '@clickhouse/client';
import { sinkError } from '../sink/clickhouse-error.ts';
import type { KnownTable } from './table-news.ts';

/** Tables of a source as they were last seen. @throws `SINK_UNAVAILABLE`, `SINK_REFUSED` */
export async function knownTables(client: ClickHouseClient, source: string): Promise<KnownTable[]> {
  try {
    const result = await client.query({
      query: `SELECT oid, table_schema AS schema, table_name AS "table", partitions, labels, is_gone
              FROM ops.source_tables FINAL WHERE source = {source:String} ORDER BY oid`,
      query_params: { source },
      format: 'JSONEachRow',
    });
    const rows = await result.json<Omit<KnownTable, 'isGone'> & { is_gone: number }>();
    return rows.map(({ is_gone, ...table }) => ({ ...table, isGone: is_gone === 1 }));
  } catch (error) {
    throw sinkError(error, `reading the known tables of ${source}`);
  }
}

/** Remembers tables. @throws `SINK_UNAVAILABLE`, `SINK_REFUSED` */
export async function rememberTables(
  client: ClickHouseClient,
  source: string,
  tables: readonly KnownTable[],
): Promise<void> {
  if (tables.length === 0) return;
  try {
    await client.insert({
      table: 'ops.source_tables',
      values: tables.map(({ oid, schema, table, partitions, labels, isGone }) => ({
        source,
        oid,
        table_schema: schema,
        table_name: table,
        partitions,
        labels,
        is_gone: isGone ? 1 : 0,
      })),
      format: 'JSONEachRow',
    });
  } catch (error) {
    throw sinkError(error, `remembering the tables of ${source}`);
  }
}
