import type { ClickHouseClient } from '@clickhouse/client';
import { sinkError } from '../sink/clickhouse-error.ts';
import type { KnownColumn } from '../transform/published-names.ts';

/** A table at its source. */
export interface SourceTableName {
  readonly source: string;
  readonly schema: string;
  readonly table: string;
}

/**
 * Columns of a table as they were last seen.
 *
 * @throws TributaryError `SINK_UNAVAILABLE`, `SINK_REFUSED`
 */
export async function knownColumns(
  client: ClickHouseClient,
  { source, schema, table }: SourceTableName,
): Promise<KnownColumn[]> {
  try {
    const result = await client.query({
      query: `SELECT number, name, published, type, is_gone FROM ops.source_columns FINAL
              WHERE source = {source:String} AND table_schema = {schema:String}
                AND table_name = {table:String} ORDER BY number`,
      query_params: { source, schema, table },
      format: 'JSONEachRow',
    });
    const rows = await result.json<Omit<KnownColumn, 'isGone'> & { is_gone: number }>();
    return rows.map(({ is_gone, ...column }) => ({ ...column, isGone: is_gone === 1 }));
  } catch (error) {
    throw sinkError(error, `reading the known columns of ${source}.${schema}.${table}`);
  }
}

/** Remembers columns. @throws TributaryError `SINK_UNAVAILABLE`, `SINK_REFUSED` */
export async function rememberColumns(
  client: ClickHouseClient,
  { source, schema, table }: SourceTableName,
  columns: readonly KnownColumn[],
): Promise<void> {
  if (columns.length === 0) return;
  try {
    await client.insert({
      table: 'ops.source_columns',
      values: columns.map(({ isGone, ...column }) => ({
        source,
        table_schema: schema,
        table_name: table,
        ...column,
        is_gone: isGone ? 1 : 0,
      })),
      format: 'JSONEachRow',
    });
  } catch (error) {
    throw sinkError(error, `remembering the columns of ${source}.${schema}.${table}`);
  }
}
