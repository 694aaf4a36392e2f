import type { Source } from '../pipeline/catalog/catalog.ts';
import { tableRules } from '../pipeline/catalog/column-rules.ts';
import { columnPatternText } from '../pipeline/catalog/table-pattern.ts';
import type { CapturedTables } from './captured-tables.ts';
import { collisions } from './check-tables.ts';
import type { Finding } from './finding.ts';
import type { ColumnFacts, TableFacts } from './source-facts.ts';
import { quoteIdent, quoteTable } from './sql-quote.ts';

/** Checks that what the columns hold can reach the warehouse as it is. */
export function checkColumns(
  { captured }: CapturedTables,
  source: Source,
  serverVersion: number,
): Finding[] {
  return captured.flatMap((table) => [
    ...table.columns.flatMap((column) => checkColumn(table, column, source, serverVersion)),
    ...checkFieldNames(table),
  ]);
}

function checkColumn(
  table: TableFacts,
  column: ColumnFacts,
  source: Source,
  serverVersion: number,
): Finding[] {
  const name = `${quoteTable(table)}.${quoteIdent(column.name)}`;
  const { schema, table: relation } = table;
  const place = { schema, table: relation, column: column.name };
  if (column.dimensions > 1 && !tableRules(source, table).isText(column.name)) {
    return [
      {
        id: 'array-of-arrays',
        severity: 'error',
        what: `${name} is an array of ${column.dimensions} dimensions`,
        why: 'ClickHouse has no nullable arrays of arrays: each such value would become a dead letter.',
        sql: [],
        advice: `Add to source ${source.name} in the catalog: text_columns: ['${columnPatternText(place).replaceAll("'", "''")}']. The column is then kept as the text that Postgres prints.`,
      },
    ];
  }
  const streamed = column.generated === 'stored' && serverVersion >= 180_000;
  if (column.generated !== 'no' && !streamed) {
    return [
      {
        id: 'generated-column',
        severity: 'warning',
        what: `${name} is a generated column (${column.generated})`,
        why: 'Postgres does not stream its values, so the warehouse has those of the snapshot alone.',
        sql: [],
        advice: 'Compute it in the query, or make it an ordinary column that a trigger fills.',
      },
    ];
  }
  return [];
}

function checkFieldNames(table: TableFacts): Finding[] {
  return collisions(table.columns, ({ name }) => avroName(name)).map(
    ([first, second]): Finding => ({
      id: 'column-names-collide',
      severity: 'error',
      what: `columns ${quoteIdent(first.name)} and ${quoteIdent(second.name)} of ${quoteTable(table)} come to one Avro name`,
      why: 'Avro names have letters, digits and underscores alone; the connector stops at the second.',
      sql: [
        `ALTER TABLE ${quoteTable(table)} RENAME COLUMN ${quoteIdent(second.name)} TO ${quoteIdent(`${avroName(second.name)}_2`)};`,
      ],
    }),
  );
}

/** A column's field name in the Avro schema; the original is in the field's parameters. */
export function avroName(name: string): string {
  const replaced = name.replace(/[^A-Za-z0-9_]/g, '_');
  return /^[0-9]/.test(replaced) ? `_${replaced}` : replaced;
}
