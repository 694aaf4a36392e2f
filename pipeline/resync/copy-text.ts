import { withoutWrappers, type SourceType } from '../verify/canonical-text.ts';
import type { SourceColumn } from '../verify/table-shape.ts';
import {
  copyPrints,
  elementsOf,
  printedText,
  sourceText,
  timestampElementText,
} from '../verify/source-text.ts';

/*
 * What Postgres has to print so that ClickHouse reads of a copy the cell that the stream would have
 * brought. The copy goes from COPY TO STDOUT into an INSERT as it is: both escape text alike.
 */

/**
 * SQL of Postgres that gives a column's cell as ClickHouse reads it from tab-separated values; NULL
 * where the value is.
 *
 * @param clickhouseType - type of the column in the current table
 * @param value - SQL of the column
 */
export function copyText(clickhouseType: string, source: SourceType, value: string): string {
  const type = withoutWrappers(clickhouseType);
  if (source.element === undefined) return printed(type, source.name, value);
  if (source.keptAsText === true) return printedText(value);
  const item = /^Array\((.*)\)$/.exec(type)?.[1];
  if (item === undefined) {
    // A nullable array is kept as JSON text (pipeline/docs/types.md).
    return list(value, source.element, (element, name) => jsonItem(name, element));
  }
  const itemType = withoutWrappers(item);
  return list(
    value,
    source.element,
    (element, name) => {
      const text =
        itemType === 'String' ? printedText(element) : scalarText(itemType, name, element);
      return isBare(itemType) ? text : `'''' || replace(${text}, '''', '''''') || ''''`;
    },
    'NULL',
  );
}

/** @param keptAsText - that the catalog says so (`text_columns`) */
export function typeOf({ type, element }: SourceColumn, keptAsText: boolean): SourceType {
  return { name: type, ...(element === null ? {} : { element, keptAsText }) };
}

/**
 * A value as it is, where COPY prints it so that ClickHouse reads it: a cast to text of each value
 * would take the source half as long again.
 */
function printed(clickhouseType: string, name: string, value: string): string {
  if (clickhouseType === 'Bool') return name === 'bit' ? `(${value} = B'1')` : value;
  if (clickhouseType.startsWith('DateTime64')) {
    return name === 'timestamptz'
      ? within(value, `timezone('UTC', ${value})`)
      : within(value, value);
  }
  if (clickhouseType === 'Date32') return within(value, value);
  return clickhouseType === 'String' && !copyPrints(name) ? sourceText(name, value) : value;
}

function scalarText(clickhouseType: string, name: string, value: string): string {
  if (clickhouseType === 'Bool') {
    return name === 'bit' ? `(${value} = B'1')::text` : `(${value})::text`;
  }
  if (clickhouseType.startsWith('DateTime64')) {
    const wall = name === 'timestamptz' ? `timezone('UTC', ${value})` : value;
    return inRange(wall, `(${wall})::text`);
  }
  if (clickhouseType === 'Date32') return inRange(value, `(${value})::text`);
  if (clickhouseType !== 'String') return `(${value})::text`;
  return sourceText(name, value);
}

/** What ClickHouse cannot hold must not be cut to what it can: it refuses to read `infinity`. */
function within(value: string, cell: string): string {
  return `CASE WHEN ${value} < '${FIRST}' OR ${value} >= '${END}' THEN 'infinity' ELSE ${cell} END`;
}

function inRange(value: string, text: string): string {
  return `CASE WHEN ${value} < '${FIRST}' OR ${value} >= '${END}' THEN 'beyond' ELSE ${text} END`;
}

/** The same in a text, where ClickHouse has nothing to refuse: Postgres does, without the value. */
function heldInRange(value: string, text: string): string {
  return `CASE WHEN ${value} < '${FIRST}' OR ${value} >= '${END}'
    THEN (left(${value}::text, 0) || 'a date in an array is beyond ClickHouse: text_columns in the catalog keeps such arrays')::int::text
    ELSE ${text} END`;
}

const FIRST = '1900-01-01';
const END = '2300-01-01';

/** Whether elements stand without quotes in an array. */
function isBare(clickhouseType: string): boolean {
  return /^(?:Int|Float|Bool|Decimal)/.test(clickhouseType);
}

function jsonItem(name: string, value: string): string {
  switch (name) {
    case 'bool':
    case 'int2':
    case 'int4':
      return `(${value})::text`;
    case 'float4':
    case 'float8':
      return `CASE ${value}::text WHEN 'NaN' THEN '"nan"' WHEN 'Infinity' THEN '"inf"' WHEN '-Infinity' THEN '"-inf"' WHEN '-0' THEN '"-0"' ELSE (${value})::text END`;
    case 'date':
      return `to_json(${heldInRange(value, `(${value})::text`)})::text`;
    case 'timestamp':
    case 'timestamptz':
      return `to_json(${heldInRange(value, timestampElementText(name, value))})::text`;
    default:
      return `to_json(${printedText(value)})::text`;
  }
}

function list(
  value: string,
  element: string,
  item: (value: string, name: string) => string,
  missing = 'null',
): string {
  // What is no list of one dimension, numbered from 1, must not become one: Postgres says so instead.
  return `CASE WHEN array_ndims(${value}) > 1 OR array_lower(${value}, 1) <> 1
    THEN (array_dims(${value}) || ' is no plain list: text_columns in the catalog keeps such arrays')::int::text
    WHEN ${value} IS NOT NULL THEN (
    SELECT '[' || coalesce(string_agg(CASE WHEN u IS NOT DISTINCT FROM NULL THEN '${missing}' ELSE ${item('u', element)} END, ',' ORDER BY n), '') || ']'
    FROM (${elementsOf(value)}) AS a) END`;
}
