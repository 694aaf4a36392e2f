import { createHash } from 'node:crypto';
import { elementsOf, printedText, sourceText, timestampElementText } from './source-text.ts';

/*
 * One text for one value, whichever of the two databases prints it, made by SQL on either side: so
 * that each can take a checksum of its rows and only the checksums have to meet.
 */

/** A type of the source, with domains resolved to what they are made of. */
export interface SourceType {
  /** Name in `pg_type`, e.g. `int8`. */
  readonly name: string;
  /** Name of the element's type, when it is an array. */
  readonly element?: string;
  /** Of an array: whether it is kept as its text as a whole (`text_columns`). */
  readonly keptAsText?: boolean;
}

/** How both sides print values of a column; each takes an SQL expression and gives one. */
export interface CanonicalText {
  readonly postgres: (value: string) => string;
  readonly clickhouse: (value: string) => string;
}

/** Types whose stored text is the connector's own, which Postgres cannot print the same way. */
const WITHOUT_COMMON_TEXT: ReadonlySet<string> = new Set(['geometry', 'geography']);

/**
 * Chooses how to print a column. What is printed is NULL where the value is.
 *
 * @param clickhouseType - type of the column in the view
 * @returns undefined when the two sides have no text in common
 */
export function canonicalText(
  clickhouseType: string,
  source: SourceType,
): CanonicalText | undefined {
  const type = withoutWrappers(clickhouseType);
  if (source.element === undefined) return scalarText(type, source.name);
  if (source.keptAsText === true) return PRINTED;
  const item = /^Array\((.*)\)$/.exec(type)?.[1];
  // A nullable array is kept as JSON text (pipeline/docs/types.md).
  return item === undefined
    ? jsonArrayText(source.element)
    : arrayText(itemText(withoutWrappers(item), source.element));
}

const PRINTED: CanonicalText = { postgres: printedText, clickhouse: (value) => value };

function itemText(clickhouseType: string, name: string): CanonicalText | undefined {
  return clickhouseType === 'String' ? PRINTED : scalarText(clickhouseType, name);
}

/** The type without `Nullable` and `LowCardinality` around it. */
export function withoutWrappers(clickhouseType: string): string {
  const inner = /^(?:Nullable|LowCardinality)\((.*)\)$/.exec(clickhouseType)?.[1];
  return inner === undefined ? clickhouseType : withoutWrappers(inner);
}

function scalarText(clickhouseType: string, name: string): CanonicalText | undefined {
  const clickhouse = (value: string) => `toString(${value})`;
  if (clickhouseType === 'Bool') {
    return {
      postgres: (value) => (name === 'bit' ? `(${value} = B'1')::text` : `${value}::text`),
      clickhouse,
    };
  }
  if (clickhouseType.startsWith('DateTime64')) {
    return {
      // Not to_char, which costs several times as much as the rest of an ordinary row.
      postgres: (value) =>
        name === 'timestamptz' ? `timezone('UTC', ${value})::text` : `${value}::text`,
      clickhouse: (value) => withoutTrailingZeros(clickhouse(value)),
    };
  }
  if (clickhouseType.startsWith('Decimal')) {
    // ClickHouse prints no trailing zeros.
    return { postgres: (value) => `trim_scale(${value})::text`, clickhouse };
  }
  if (clickhouseType === 'Float32') return floatText(4);
  if (clickhouseType === 'Float64') return floatText(8);
  if (clickhouseType !== 'String') return { postgres: (value) => `${value}::text`, clickhouse };
  if (WITHOUT_COMMON_TEXT.has(name)) return undefined;
  return { postgres: (value) => sourceText(name, value), clickhouse };
}

/**
 * A time that ClickHouse has with six digits of fraction, as Postgres prints it: without zeros at
 * the end.
 */
function withoutTrailingZeros(value: string): string {
  return String.raw`replaceRegexpOne(${value}, '\\.?0+$', '')`;
}

/** Floats are compared bit by bit: their decimal texts differ between the two. */
function floatText(bytes: 4 | 8): CanonicalText {
  return {
    postgres: (value) =>
      `CASE WHEN ${value} = 'NaN' THEN 'NaN' ELSE encode(float${bytes}send(${value}::float${bytes}), 'hex') END`,
    clickhouse: (value) =>
      // hex() leaves leading zeros out.
      `if(isNaN(${value}), 'NaN', leftPad(lower(hex(reinterpretAsUInt${bytes * 8}(${value}))), ${bytes * 2}, '0'))`,
  };
}

function arrayText(item: CanonicalText | undefined): CanonicalText | undefined {
  if (item === undefined) return undefined;
  return {
    postgres: (value) => postgresArray(value, item.postgres),
    clickhouse: (value) => clickhouseArray(value, item.clickhouse),
  };
}

function jsonArrayText(element: string): CanonicalText {
  const item = jsonItemText(element);
  const items = (value: string) =>
    clickhouseArray(
      // Of each element its JSON, or NULL.
      `arrayMap(e -> nullIf(e, 'null'), JSONExtractArrayRaw(assumeNotNull(${value})))`,
      (raw) => item.clickhouse(`if(startsWith(${raw}, '"'), JSONExtractString(${raw}), ${raw})`),
    );
  return {
    postgres: (value) => postgresArray(value, item.postgres),
    clickhouse: (value) => `if(isNull(${value}), NULL, ${items(value)})`,
  };
}

function jsonItemText(element: string): CanonicalText {
  const clickhouse = (value: string) => value;
  switch (element) {
    case 'float4':
      return floatOfText(4);
    case 'float8':
      return floatOfText(8);
    case 'bool':
      return { postgres: (value) => `${value}::text`, clickhouse };
    case 'timestamp':
    case 'timestamptz':
      return { postgres: (value) => timestampElementText(element, value), clickhouse };
    default:
      return PRINTED;
  }
}

function floatOfText(bytes: 4 | 8): CanonicalText {
  const { postgres, clickhouse } = floatText(bytes);
  const read = (value: string) => `assumeNotNull(toFloat${bytes * 8}OrNull(${value}))`;
  return {
    postgres,
    clickhouse: (value) => `if(isNull(${value}), NULL, ${clickhouse(read(value))})`,
  };
}

function postgresArray(value: string, item: (value: string) => string): string {
  return `CASE WHEN ${value} IS NULL THEN NULL ELSE (
    SELECT '[' || coalesce(string_agg(concat(octet_length(e), ':', e), '' ORDER BY n), '') || ']'
    FROM (SELECT ${item('u')} AS e, n FROM (${elementsOf(value)}) AS a OFFSET 0) AS s) END`;
}

function clickhouseArray(value: string, item: (value: string) => string): string {
  return `concat('[', arrayStringConcat(arrayMap(e -> ${clickhouseFrame(item('e'))}, ${value})), ']')`;
}

/**
 * Puts a row's texts into one, so that no two rows share it: each with its length in bytes before
 * it, `1:a`; NULL is `:`, the empty text `0:`.
 */
export function postgresRow(texts: readonly string[]): string {
  const framed = texts.map((text) => `octet_length(${text}), ':', ${text}`);
  // Postgres takes at most 100 arguments.
  const groups: string[] = [];
  for (let start = 0; start < framed.length; start += COLUMNS_PER_CALL) {
    groups.push(`concat(${framed.slice(start, start + COLUMNS_PER_CALL).join(', ')})`);
  }
  return groups.join(' || ');
}

const COLUMNS_PER_CALL = 30;

/** The same for ClickHouse. */
export function clickhouseRow(texts: readonly string[]): string {
  return texts.length === 1
    ? clickhouseFrame(texts[0] ?? '')
    : `concat(${texts.map(clickhouseFrame).join(', ')})`;
}

function clickhouseFrame(text: string): string {
  return `ifNull(concat(toString(length(${text})), ':', ${text}), ':')`;
}

/** First 64 bits of a text's MD5 as a signed integer, which both sides know how to add up. */
export function postgresHash(text: string): string {
  return `('x' || substr(md5(${text}), 1, 16))::bit(64)::bigint`;
}

/** The same in this process, of what {@link postgresRow} makes of these texts. */
export function rowHash(texts: readonly (string | null)[]): string {
  const row = texts.map((text) => (text === null ? ':' : `${Buffer.byteLength(text)}:${text}`));
  return createHash('md5').update(row.join('')).digest().readBigInt64BE(0).toString();
}

/** The same for ClickHouse. */
export function clickhouseHash(text: string): string {
  return `reinterpretAsInt64(reverse(substring(MD5(${text}), 1, 8)))`;
}
