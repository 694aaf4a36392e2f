import type { Source } from '../pipeline/catalog/catalog.ts';
import type { TableName } from '../pipeline/catalog/table-pattern.ts';
import { quoteIdent, quoteLiteral, quoteTable } from './sql-quote.ts';

/** Columns, and the values of the rows that leave the database; see `rows` in the catalog. */
export type RowFilter = ReadonlyMap<string, readonly string[]>;

/** What the catalog says of the rows of a table; undefined: all of them leave. */
export function rowFilterOf(
  { rows }: Pick<Source, 'rows'>,
  { schema, table }: TableName,
): RowFilter | undefined {
  return rows.get(`${schema}.${table}`);
}

/** The condition, as SQL. */
export function conditionOf(filter: RowFilter): string {
  return [...filter]
    .map(([column, values]) => `${quoteIdent(column)} IN (${values.map(quoteLiteral).join(', ')})`)
    .join(' AND ');
}

/** A table as a publication lists it. */
export function publishedAs(source: Pick<Source, 'rows'>, table: TableName): string {
  const filter = rowFilterOf(source, table);
  return `${quoteTable(table)}${filter === undefined ? '' : ` WHERE (${conditionOf(filter)})`}`;
}

/**
 * Whether Postgres shows a condition that means the same: it writes types, brackets and `= ANY` of
 * its own. Values are plain words, so that none of these is part of one.
 *
 * @param expression - as `pg_get_expr` gives it
 */
export function isCondition(expression: string, filter: RowFilter): boolean {
  const expected = [...filter].map(
    ([column, values]) =>
      `${column} = ${values.length === 1 ? values.map(quoteLiteral).join('') : `ANY ARRAY[${values.map(quoteLiteral).join(', ')}]`}`,
  );
  const plain = expression
    .replace(/::[a-z]+(?: varying)?(?:\[\])?/g, '')
    .replace(/[()"]/g, '')
    .replace(/\s+/g, ' ');
  return plain === expected.join(' AND ');
}

/**
 * Statements that make a table show the capture role the rows of a filter alone, in every read. The
 * table had no row security: whoever could read and write all of it still can, by a policy for
 * everybody. It had: its own policies stay as they are.
 */
export function policySql(table: TableName, role: string, filter: RowFilter): string[] {
  const name = quoteTable(table);
  const to = quoteIdent(role);
  const policy = quoteIdent(`tributary_${role}`);
  const only = quoteIdent(`tributary_${role}_only`);
  const condition = conditionOf(filter);
  const relation = quoteLiteral(name);
  return [
    `DO $policy$ BEGIN
  IF NOT (SELECT relrowsecurity FROM pg_class WHERE oid = ${relation}::regclass) THEN
    DROP POLICY IF EXISTS tributary_everybody ON ${name};
    CREATE POLICY tributary_everybody ON ${name} USING (true) WITH CHECK (true);
    ALTER TABLE ${name} ENABLE ROW LEVEL SECURITY;
  END IF;
END $policy$;`,
    `DROP POLICY IF EXISTS ${policy} ON ${name};`,
    `CREATE POLICY ${policy} ON ${name} FOR SELECT TO ${to} USING (${condition});`,
    `DROP POLICY IF EXISTS ${only} ON ${name};`,
    `CREATE POLICY ${only} ON ${name} AS RESTRICTIVE FOR SELECT TO ${to} USING (${condition});`,
  ];
}
