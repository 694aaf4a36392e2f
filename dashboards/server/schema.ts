import type { ClickHouseClient } from '@clickhouse/client';
import type { Schema, SchemaTable } from '../wire.ts';

/** Databases that people do not query: the storage behind the views, and the engine's own. */
const HIDDEN = [
  'system',
  'INFORMATION_SCHEMA',
  'information_schema',
  'default',
  'current',
  'facts',
  '_local',
];

/**
 * Reads what there is to query: tables with their columns and comments, and names of functions.
 *
 * @throws what the client throws
 */
export async function readSchema(client: ClickHouseClient, signal: AbortSignal): Promise<Schema> {
  const ask = async <T>(query: string): Promise<T[]> => {
    const result = await client.query({
      query,
      query_params: { hidden: HIDDEN },
      format: 'JSONEachRow',
      abort_signal: signal,
    });
    return result.json<T>();
  };
  const [tables, columns, functions] = await Promise.all([
    ask<{ database: string; name: string; comment: string }>(
      `SELECT database, name, comment FROM system.tables
       WHERE database NOT IN {hidden:Array(String)} AND NOT is_temporary ORDER BY database, name`,
    ),
    ask<{ database: string; table: string; name: string; type: string; comment: string }>(
      `SELECT database, table, name, type, comment FROM system.columns
       WHERE database NOT IN {hidden:Array(String)} ORDER BY database, table, position`,
    ),
    ask<{ name: string }>(`SELECT name FROM system.functions ORDER BY name`),
  ]);
  const byTable = new Map<string, SchemaTable['columns'][number][]>();
  for (const { database, table, ...column } of columns) {
    const key = `${database}.${table}`;
    byTable.set(key, [...(byTable.get(key) ?? []), column]);
  }
  return {
    tables: tables.map((table) => ({
      ...table,
      columns: byTable.get(`${table.database}.${table.name}`) ?? [],
    })),
    functions: functions.map(({ name }) => name),
  };
}
