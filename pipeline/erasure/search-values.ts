import type { ClickHouseClient } from '@clickhouse/client';
import { sinkError } from '../sink/clickhouse-error.ts';
import { quoteName, quoteText } from '../sink/identifier.ts';

/** Databases with tables; the others have views of these. */
const DATABASES = ['changes', 'current', 'facts', 'ops'];
/** ClickHouse looks for up to 255 at a time. */
const AT_ONCE = 200;
/** Columns that hold bytes, as base64. */
const BASE64 = /^ops\.dead_letters\.(key|value)_bytes$/;

/** Where texts were found. */
export interface Found {
  /** `database.table`. */
  readonly table: string;
  readonly column: string;
  /** Rows with at least one. */
  readonly rows: number;
}

/**
 * Looks for texts in every text of every table of the warehouse, as a part of them as well.
 *
 * @throws TributaryError `SINK_UNAVAILABLE`, `SINK_REFUSED`
 */
export async function searchValues(
  client: ClickHouseClient,
  values: readonly string[],
): Promise<Found[]> {
  if (values.length === 0) return [];
  const columns = await ask<{ database: string; table: string; name: string }>(
    client,
    `SELECT c.database AS database, c.table AS table, c.name AS name FROM system.columns AS c
     JOIN system.tables AS t ON t.database = c.database AND t.name = c.table
     WHERE c.database IN (${DATABASES.map(quoteText).join(', ')}) AND c.type LIKE '%String%'
       AND t.engine LIKE '%MergeTree' ORDER BY database, table, name`,
  );
  const byTable = new Map<string, { from: string; names: string[] }>();
  for (const { database, table, name } of columns) {
    const label = `${database}.${table}`;
    const entry = byTable.get(label) ?? {
      from: `${quoteName(database)}.${quoteName(table)}`,
      names: [],
    };
    entry.names.push(name);
    byTable.set(label, entry);
  }
  const found: Found[] = [];
  for (const [table, { from, names }] of byTable) {
    const counts = names.map((name, index) => {
      // What is under a NULL, too: a mutation leaves it there.
      const text = `toString(assumeNotNull(${quoteName(name)}))`;
      const searched = BASE64.test(`${table}.${name}`) ? `tryBase64Decode(${text})` : text;
      return `countIf(${containsAny(searched, values)}) AS c${index}`;
    });
    const [row] = await ask<Record<string, string | number>>(
      client,
      `SELECT ${counts.join(', ')} FROM ${from}`,
    );
    for (const [index, column] of names.entries()) {
      const rows = Number(row?.[`c${index}`] ?? 0);
      if (rows > 0) found.push({ table, column, rows });
    }
  }
  return found;
}

/** SQL of whether a text contains one of some. */
export function containsAny(text: string, values: readonly string[]): string {
  const groups: string[] = [];
  for (let begin = 0; begin < values.length; begin += AT_ONCE) {
    const some = values.slice(begin, begin + AT_ONCE).map(quoteText);
    groups.push(`multiSearchAny(${text}, [${some.join(', ')}])`);
  }
  return `(${groups.join(' OR ')})`;
}

async function ask<T>(client: ClickHouseClient, query: string): Promise<T[]> {
  try {
    const result = await client.query({
      query,
      format: 'JSONEachRow',
      clickhouse_settings: { max_query_size: String(4 * query.length + 65_536) },
    });
    return await result.json<T>();
  } catch (error) {
    throw sinkError(error, 'searching the warehouse');
  }
}
