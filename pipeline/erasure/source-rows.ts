import pg from 'pg';
import type { ClickHouseClient } from '@clickhouse/client';
import { describeError, TributaryError } from '#runtime/errors.ts';
import type { SubjectData } from '../catalog/erase-rule.ts';
import { tableText } from '../drift/warehouse-side.ts';
import { knownColumns } from '../evolution/column-memory.ts';

/** What a service may leave in a column that it emptied. */
const EMPTY = ['', '{}', '[]', 'null', '""'];

/**
 * How many rows of a subject still say something in a table of a service: those that are to be
 * gone, or whose columns are to be empty.
 *
 * @param client - connected to the source
 * @param key - of the subject, as text
 * @throws TributaryError `ERASE_REFUSED` for a column that is not there or a key that cannot be one;
 * `SOURCE_UNAVAILABLE`, `SINK_UNAVAILABLE`, `SINK_REFUSED`
 */
export async function rowsAtSource(
  client: pg.Client,
  warehouse: ClickHouseClient,
  { table, reference, columns }: SubjectData,
  key: string,
): Promise<number> {
  const names = new Map(
    (await knownColumns(warehouse, table))
      .filter(({ isGone }) => !isGone)
      .map(({ name, published }) => [published, name]),
  );
  const own = (published: string) => names.get(published) ?? published;
  const relation = `${pg.escapeIdentifier(table.schema)}.${pg.escapeIdentifier(table.table)}`;
  const says = columns?.map((name) => {
    const text = `${pg.escapeIdentifier(own(name))}::text`;
    return `${text} NOT IN (${EMPTY.map((empty) => pg.escapeLiteral(empty)).join(', ')})`;
  });
  const what = tableText(table);
  const { rows: types } = await ask<{ type: string }>(
    client,
    what,
    `SELECT format_type(atttypid, atttypmod) AS type FROM pg_attribute
     WHERE attrelid = $1::regclass AND attname = $2 AND attnum > 0 AND NOT attisdropped`,
    [relation, own(reference)],
  );
  const [type] = types;
  if (type === undefined) throw refused(`${what}: the service has no column ${own(reference)}`);
  const { rows } = await ask<{ n: string }>(
    client,
    what,
    // Of its own type, so that its index can be used.
    `SELECT count(*) AS n FROM ${relation} WHERE ${pg.escapeIdentifier(own(reference))} = $1::${type.type}
     ${says === undefined ? '' : `AND (${says.join(' OR ')})`}`,
    [key],
  );
  return Number(rows[0]?.n ?? 0);
}

async function ask<Row extends object>(
  client: pg.Client,
  what: string,
  sql: string,
  values: readonly string[],
): Promise<pg.QueryResult<Row>> {
  try {
    return await client.query<Row>(sql, [...values]);
  } catch (error) {
    // Postgres answered: what it was asked does not fit the table.
    if (error instanceof pg.DatabaseError) {
      throw refused(`${what}: its database refuses to look (SQLSTATE ${error.code ?? 'unknown'})`);
    }
    throw new TributaryError('SOURCE_UNAVAILABLE', `${what}: ${describeError(error)}`, {
      cause: error,
    });
  }
}

function refused(why: string): TributaryError {
  return new TributaryError('ERASE_REFUSED', why, {
    fix: 'Correct the key, or the table under `erase` in the catalog.',
  });
}
