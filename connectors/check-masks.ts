import type { Source } from '../pipeline/catalog/catalog.ts';
import { didYouMean } from '../pipeline/catalog/did-you-mean.ts';
import { maskOf } from '../pipeline/catalog/mask.ts';
import { columnPatternText, matchesColumn } from '../pipeline/catalog/table-pattern.ts';
import type { CapturedTables } from './captured-tables.ts';
import type { Finding } from './finding.ts';
import type { ColumnFacts, TableFacts } from './source-facts.ts';
import { quoteIdent, quoteTable } from './sql-quote.ts';

/** Checks that what is to be masked is there and can be. */
export function checkMasks(
  { captured }: CapturedTables,
  source: Source,
  catalogPath: string,
): Finding[] {
  const columns = captured.flatMap((table) => table.columns.map((column) => ({ table, column })));
  const nameOf = ({ table, column }: (typeof columns)[number]) => ({
    schema: table.schema,
    table: table.table,
    column: column.name,
  });
  const unmatched = source.masks
    .filter(({ pattern }) => !columns.some((place) => matchesColumn(pattern, nameOf(place))))
    .map(({ pattern: { table } }): Finding => {
      const near = didYouMean(table.text, columns.map(nameOf).map(columnPatternText));
      const place = table.line === undefined ? '' : ` (${catalogPath}:${table.line})`;
      return {
        id: 'mask-matches-nothing',
        severity: 'error',
        what: `no column matches ${table.text} under \`mask\`${place}`,
        why: `What was to be masked would reach the warehouse as it is.${near === undefined ? '' : ` Did you mean ${near}?`}`,
        sql: [],
        advice: 'Correct the line; name the column as it is called now.',
      };
    });
  return [
    ...unmatched,
    ...columns.flatMap((place) =>
      checkMask(place.table, place.column, maskOf(source.masks, nameOf(place))),
    ),
  ];
}

function checkMask(
  table: TableFacts,
  column: ColumnFacts,
  mask: ReturnType<typeof maskOf>,
): Finding[] {
  const isFloat = column.type === 'float4' || column.type === 'float8';
  const why =
    column.isKey && mask !== undefined && mask !== 'hash'
      ? 'It is part of the primary key, without which rows cannot be told apart. A key can be hashed.'
      : mask === 'hash' && (column.dimensions > 0 || isFloat)
        ? 'Equal values of such a type need not have one text to hash. It can be dropped or redacted.'
        : undefined;
  if (why === undefined) return [];
  return [
    {
      id: 'mask-not-possible',
      severity: 'error',
      what: `${quoteTable(table)}.${quoteIdent(column.name)} cannot be masked by ${mask}`,
      why,
      sql: [],
      advice: 'Correct the line under `mask` in the catalog.',
    },
  ];
}
