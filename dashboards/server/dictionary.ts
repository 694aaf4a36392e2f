import type { ClickHouseClient } from '@clickhouse/client';

/** A column as the dictionary tells of it. */
export interface DictionaryColumn {
  readonly name: string;
  readonly type: string;
  readonly comment: string;
  /** Column of the service that feeds it, `schema.table.column type`, where it comes from one. */
  readonly origin: string;
}

/** A table as the dictionary tells of it. */
export interface DictionaryTable {
  readonly database: string;
  readonly name: string;
  readonly comment: string;
  /** Tables that it reads, `database.table`; empty when it is no view. */
  readonly reads: readonly string[];
  readonly columns: readonly DictionaryColumn[];
}

/** Databases whose tables people do not ask for by name. */
const LEFT_OUT = ['system', 'INFORMATION_SCHEMA', 'information_schema', 'default', '_local']
  .concat(['changes', 'current', 'history'])
  .map((name) => `'${name}'`)
  .join(', ');

/**
 * Reads from the warehouse what each table and column means and where it comes from. A mart names
 * the tables that its query reads; columns of a current view, the columns of the service.
 *
 * @throws what the client throws
 */
export async function readDictionary(
  client: ClickHouseClient,
  signal: AbortSignal,
): Promise<DictionaryTable[]> {
  const ask = async <T>(query: string): Promise<T[]> => {
    const result = await client.query({ query, format: 'JSONEachRow', abort_signal: signal });
    return result.json<T>();
  };
  const [tables, columns] = await Promise.all([
    ask<{ database: string; name: string; comment: string; query: string }>(
      `SELECT database, name, comment, as_select AS query FROM system.tables
       WHERE database NOT IN (${LEFT_OUT}) AND NOT is_temporary
       ORDER BY database != 'marts', database = 'ops', database, name`,
    ),
    ask<{ table: string; name: string; type: string; comment: string; origin: string }>(
      `SELECT concat(c.database, '.', c.table) AS table, c.name AS name, c.type AS type, c.comment AS comment, s.origin AS origin
       FROM system.columns AS c
       LEFT JOIN (
         SELECT concat(source, '.', if(table_schema = 'public', table_name, concat(table_schema, '__', table_name))) AS place,
                published, argMax(concat(table_schema, '.', table_name, '.', k.name, ' ', k.type), k.seen_at) AS origin
         FROM ops.source_columns AS k FINAL GROUP BY place, published
       ) AS s ON s.place = concat(c.database, '.', c.table) AND s.published = c.name
       WHERE c.database NOT IN (${LEFT_OUT}) ORDER BY c.database, c.table, c.position`,
    ),
  ]);
  const known = new Set(tables.map(({ database, name }) => `${database}.${name}`));
  return tables.map(({ database, name, comment, query }) => ({
    database,
    name,
    comment,
    reads: tablesIn(query).filter((table) => known.has(table) && table !== `${database}.${name}`),
    columns: columns
      .filter(({ table }) => table === `${database}.${name}`)
      .map(({ name, type, comment, origin }) => ({ name, type, comment, origin })),
  }));
}

/** Names `database.table` in a query as ClickHouse writes it back; each once. */
function tablesIn(query: string): string[] {
  const names = query.matchAll(/(?:FROM|JOIN)\s+`?(\w+)`?\.`?(\w+)`?/g);
  return [...new Set([...names].map(([, database, table]) => `${database}.${table}`))].sort();
}
