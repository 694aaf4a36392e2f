import { COPY_COLUMNS, nameBeside } from '../transform/table-plan.ts';
import { quoteName, quoteText } from './identifier.ts';

/*
 * A table without a key is a multiset: its change log adds copies of rows and takes copies away, and
 * what is there is the sum. Sums do not depend on order, and the log tells a change that came twice
 * from two changes by its version, so nothing is counted twice.
 */

/** A column as far as its text matters. */
interface TextColumn {
  readonly name: string;
  readonly type: string;
}

/**
 * Definitions of the columns that such a change log has besides those of all change logs.
 *
 * @param columns - columns of the source that the log has
 */
export function copyColumns(columns: readonly TextColumn[]): string[] {
  return [
    rowDefinition(columns),
    `${COPY_COLUMNS.copies} Int64 DEFAULT if(_deleted = 1, -1, 1) ` +
      `COMMENT 'copies of the row that the change added; below 0: took away'`,
  ];
}

/**
 * Definition of the column that is equal for equal rows. A column counts by its name and text, where
 * it has one: so a row stays equal to itself when a nullable column is added, or one gets a wider type.
 */
export function rowDefinition(columns: readonly TextColumn[]): string {
  const parts = columns.toSorted((a, b) => (a.name < b.name ? -1 : 1)).map(textPart);
  return (
    `${COPY_COLUMNS.row} UInt128 DEFAULT reinterpretAsUInt128(sipHash128(concat('', ${parts.join(', ')}))) ` +
    `COMMENT 'equal for equal rows'`
  );
}

function textPart({ name, type }: TextColumn): string {
  const text = `toString(${quoteName(name)})`;
  const framed = `concat(${quoteText(quoteName(name))}, toString(length(${text})), ':', ${text})`;
  // An array cannot be NULL: rows from before the column have an empty one.
  return type.startsWith('Array')
    ? `if(empty(${quoteName(name)}), '', ${framed})`
    : `ifNull(${framed}, '')`;
}

/**
 * What tells a change of the log from another one. The version first: changes come in its order, so they
 * need not be sorted, and parts hardly overlap. By the hash of the row each would overlap with all.
 */
export const CHANGE_KEY = ['_version', COPY_COLUMNS.row, '_deleted', '_partition'] as const;

/** Whether these are the columns of the change log of a table without a key. */
export function isKeyless(columns: readonly { readonly name: string }[]): boolean {
  return columns.some(({ name }) => name === COPY_COLUMNS.row);
}

/**
 * Selects each different row once: its columns, `_row`, and as `_copies` how many there are of it.
 *
 * @param changes - what to select from, called `c`, with conditions
 * @param names - names of the columns, not quoted
 * @param having - condition of the sum
 */
export function sumRows(changes: string, names: readonly string[], having: string): string {
  const { row, copies } = COPY_COLUMNS;
  const columns = names.map(quoteName);
  // All copies have the same values.
  const values = columns.map((name) => `any(c.${name}) AS ${name}`);
  const sum = beside('_sum', names);
  return (
    `SELECT ${[...columns, row].join(', ')}, ${sum} AS ${copies} FROM (` +
    `SELECT ${[...values, row].join(', ')}, sum(${copies}) AS ${sum} ` +
    `FROM ${changes} GROUP BY ${row} HAVING ${sum} ${having})`
  );
}

/**
 * Selects what is there: columns, `_row` and `_copies`. Rows of which no copy was ever taken away,
 * which is all of a table that is only added to, need no sum: they are read as they are.
 *
 * @param where - condition of the changes that count
 */
export function rowsThere(log: string, names: readonly string[], where = 'true'): string {
  const { row, copies } = COPY_COLUMNS;
  const removed = `(SELECT ${row} FROM ${log} WHERE ${copies} < 0 AND ${where})`;
  return (
    `SELECT ${[...names.map(quoteName), row, copies].join(', ')} FROM ${log} FINAL ` +
    `WHERE ${row} NOT IN ${removed} AND ${where} UNION ALL ` +
    sumRows(`${log} AS c FINAL WHERE ${row} IN ${removed} AND ${where}`, names, '> 0')
  );
}

/** The view in `current`: each row with how many copies there are of it. */
export function createCopies(view: string, log: string, names: readonly string[]): string {
  return `CREATE OR REPLACE VIEW ${view} AS ${rowsThere(log, names)}`;
}

/** Selects from the view in `current` each row as often as it is there. */
export function eachCopy(view: string, names: readonly string[]): string {
  const columns = names.map(quoteName).join(', ');
  return `SELECT ${columns} FROM ${view} ARRAY JOIN range(toUInt64(${COPY_COLUMNS.copies})) AS ${beside('_nth', names)}`;
}

/**
 * Selects each copy with the time it was there. Copies of a row are not to be told apart, so which of
 * them a change took away is nobody's to say: the first that came.
 *
 * @param since - quoted name of the time it came, which is NULL when it never did
 * @param until - quoted name of the time it went
 */
export function eachPeriod(
  log: string,
  names: readonly string[],
  { since, until }: { readonly since: string; readonly until: string },
): string {
  const { row, copies } = COPY_COLUMNS;
  const columns = names.map(quoteName);
  const [at, nth, added] = ['_at', '_nth', '_added'].map((name) => beside(name, names));
  return (
    `SELECT ${columns.map((name) => `any(p.${name}) AS ${name}`).join(', ')}, ` +
    `minOrNullIf(p.${at}, p.${added}) AS ${since}, minOrNullIf(p.${at}, NOT p.${added}) AS ${until} FROM (` +
    `SELECT ${[...columns, row, at, added].join(', ')}, ` +
    `row_number() OVER (PARTITION BY ${row}, ${added} ORDER BY _version) AS ${nth} FROM (` +
    `SELECT ${[...columns, row, copies, '_version'].join(', ')}, ${copies} > 0 AS ${added}, ` +
    `max(_committed_at) OVER (PARTITION BY ${row} ORDER BY _version ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS ${at} ` +
    `FROM ${log} FINAL) AS c ARRAY JOIN range(toUInt64(abs(${copies}))) AS ${beside('_copy', names)}) AS p ` +
    `GROUP BY p.${row}, p.${nth}`
  );
}

/** A quoted name for use within a view, which no column has. */
function beside(name: string, names: readonly string[]): string {
  return quoteName(nameBeside(new Set([name]), name, new Set(names)));
}
