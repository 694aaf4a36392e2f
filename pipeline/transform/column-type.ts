import { TributaryError } from '#runtime/errors.ts';
import {
  isRecord,
  unwrapNullable,
  type AvroAnnotated,
  type AvroSchema,
} from '../avro/avro-schema.ts';
import type { ColumnValue } from '../change/row-image.ts';
import {
  spellDate,
  spellDouble,
  spellTimestamp,
  spellZonedTimestamp,
} from './postgres-spelling.ts';
import { ARRAY_SCHEMA, arrayType } from './array-type.ts';
import { dateText, timeText, timestampText, zonedTimestampText } from './temporal-text.ts';

/** What a cell is on its way into ClickHouse: JSON, with big numbers and times as exact text. */
export type Cell = null | boolean | number | string | readonly Cell[];

/** How values of one column are stored. */
export interface ColumnType {
  /** ClickHouse type for values that are there, e.g. `Decimal(12, 2)`. */
  readonly clickhouse: string;
  /** Whether ClickHouse allows `Nullable` around it; arrays it does not. */
  readonly canBeNullable: boolean;
  /**
   * Turns a decoded value (never null) into a cell.
   *
   * @throws TributaryError `VALUE_REJECTED` when the type cannot hold the value; the message has
   * no value in it
   */
  readonly encode: (value: ColumnValue) => Cell;
  /** How the value lies in Avro, where it can be copied from there without being decoded first. */
  readonly direct?: Direct;
}

/** Ways from a value's bytes in Avro to ClickHouse's; each gives what decoding and `encode` give. */
export type Direct =
  | 'text'
  | 'uuid'
  | 'zoned'
  | 'decimal'
  | 'boolean'
  | 'integer'
  | 'float'
  | 'double'
  | 'date'
  | 'micros';

/** Digits of ClickHouse's widest Decimal. */
export const MAX_DECIMAL_DIGITS = 76;

const TEXT: ColumnType = {
  clickhouse: 'String',
  canBeNullable: true,
  encode: (value) => (typeof value === 'string' ? value : textOf(value)),
};

/** A type whose values are copied as they lie. */
const directly = (direct: Direct, type: ColumnType): ColumnType => ({ ...type, direct });

/** Debezium's names for what Postgres calls otherwise. */
const NUMERIC_SPECIALS: Readonly<Record<string, string>> = {
  NAN: 'NaN',
  POSITIVE_INFINITY: 'Infinity',
  NEGATIVE_INFINITY: '-Infinity',
};

const NUMERIC_TEXT: ColumnType = {
  ...TEXT,
  encode: (value) => {
    const text = textOf(value);
    return NUMERIC_SPECIALS[text] ?? text;
  },
};

const passedAsIs = (clickhouse: string): ColumnType => ({
  clickhouse,
  canBeNullable: true,
  encode: (value) => {
    if (typeof value === 'number' || typeof value === 'boolean' || typeof value === 'string')
      return value;
    throw unexpected(clickhouse);
  },
});

const BIGINT: ColumnType = directly('integer', {
  clickhouse: 'Int64',
  canBeNullable: true,
  encode: (value) => bigintOf(value).toString(),
});

// JSON has no NaN or infinity; ClickHouse reads them from text.
const float = (clickhouse: string): ColumnType => ({
  clickhouse,
  canBeNullable: true,
  encode: (value) => {
    if (typeof value !== 'number') throw unexpected(clickhouse);
    if (Number.isFinite(value)) return Object.is(value, -0) ? '-0' : value;
    return Number.isNaN(value) ? 'nan' : value > 0 ? 'inf' : '-inf';
  },
});

const fromText = (clickhouse: string, encode: (text: string) => string): ColumnType => ({
  clickhouse,
  canBeNullable: true,
  encode: (value) => {
    if (typeof value !== 'string') throw unexpected(clickhouse);
    return encode(value);
  },
});

const BYTES: ColumnType = {
  clickhouse: 'String',
  canBeNullable: true,
  // Postgres's own text form: JSON cannot carry arbitrary bytes.
  encode: (value) => {
    if (!Buffer.isBuffer(value)) throw unexpected('String');
    return `\\x${value.toString('hex')}`;
  },
};

/**
 * Types by Debezium's and Kafka Connect's semantic names.
 *
 * @see Debezium documentation, PostgreSQL connector, "Data type mappings"
 */
const BY_SEMANTIC_NAME: Readonly<Record<string, ColumnType>> = {
  'io.debezium.time.Date': directly('date', {
    clickhouse: 'Date32',
    canBeNullable: true,
    encode: (value) => dateText(numberOf(value)),
  }),
  'io.debezium.time.Timestamp': {
    clickhouse: "DateTime64(6, 'UTC')",
    canBeNullable: true,
    encode: (value) => timestampText(bigintOf(value) * 1000n),
  },
  'io.debezium.time.MicroTimestamp': directly('micros', {
    clickhouse: "DateTime64(6, 'UTC')",
    canBeNullable: true,
    encode: (value) => timestampText(bigintOf(value)),
  }),
  'io.debezium.time.ZonedTimestamp': directly(
    'zoned',
    fromText("DateTime64(6, 'UTC')", zonedTimestampText),
  ),
  'io.debezium.time.Time': {
    clickhouse: 'String',
    canBeNullable: true,
    encode: (value) => timeText(BigInt(numberOf(value)) * 1000n),
  },
  'io.debezium.time.MicroTime': {
    clickhouse: 'String',
    canBeNullable: true,
    encode: (value) => timeText(bigintOf(value)),
  },
  'io.debezium.data.geometry.Point': {
    ...TEXT,
    // As Postgres prints it; its well-known-binary form, which comes beside it, says the same.
    encode: (value) => `(${coordinateOf(value, 'x')},${coordinateOf(value, 'y')})`,
  },
  'io.debezium.data.Uuid': directly('uuid', passedAsIs('UUID')),
  'io.debezium.data.Enum': directly('text', {
    clickhouse: 'LowCardinality(String)',
    canBeNullable: true,
    encode: TEXT.encode,
  }),
};

const asText = (encode: (value: ColumnValue) => string): ColumnType => ({ ...TEXT, encode });

/** Exact text of what Postgres holds and the types above do not. */
const TEXT_BY_SEMANTIC_NAME: Readonly<Record<string, ColumnType>> = {
  'io.debezium.time.Date': asText((value) => spellDate(numberOf(value))),
  'io.debezium.time.Timestamp': asText((value) => spellTimestamp(bigintOf(value) * 1000n)),
  'io.debezium.time.MicroTimestamp': asText((value) => spellTimestamp(bigintOf(value))),
  'io.debezium.time.ZonedTimestamp': asText((value) => spellZonedTimestamp(textOf(value))),
};

const BY_AVRO_TYPE: Readonly<Record<string, ColumnType>> = {
  boolean: directly('boolean', passedAsIs('Bool')),
  int: directly('integer', passedAsIs('Int32')),
  long: BIGINT,
  float: directly('float', float('Float32')),
  double: directly('double', float('Float64')),
  bytes: BYTES,
  string: directly('text', TEXT),
};

/**
 * Chooses the ClickHouse type of a column from its Avro schema. Total: what has no exact type of
 * its own is kept as exact text.
 *
 * @param keptAsText - that a numeric, date, timestamp or array be exact text too, in the spelling of
 * Postgres: ClickHouse's types hold less than Postgres's
 * @param isKey - that it is a column of the primary key
 */
export function columnTypeOf(
  fieldSchema: AvroSchema,
  keptAsText = false,
  isKey = false,
): ColumnType {
  const type = plainTypeOf(fieldSchema, keptAsText);
  return isKey && SMALL_INTEGERS.has(type.clickhouse) ? WIDE_KEY : type;
}

/** ClickHouse cannot widen a column of a key, and services do: from `integer` to `bigint`. */
const SMALL_INTEGERS: ReadonlySet<string> = new Set(['Int16', 'Int32']);
/** Its cells are what `BIGINT`'s are: keys that ClickHouse answers with are compared with them. */
const WIDE_KEY: ColumnType = { ...BIGINT, encode: (value) => numberOf(value).toString() };

function plainTypeOf(fieldSchema: AvroSchema, keptAsText: boolean): ColumnType {
  const { schema } = unwrapNullable(fieldSchema);
  if (typeof schema === 'string') return BY_AVRO_TYPE[schema] ?? TEXT;
  if (Array.isArray(schema) || !isAnnotated(schema)) return TEXT;
  const semantic = schema['connect.name'];
  if (semantic !== undefined) {
    const known =
      (keptAsText ? TEXT_BY_SEMANTIC_NAME[semantic] : undefined) ?? BY_SEMANTIC_NAME[semantic];
    if (known !== undefined) return known;
  }
  const parameters = schema['connect.parameters'] ?? {};
  if (semantic === ARRAY_SCHEMA) {
    return keptAsText ? TEXT : arrayType(parameters['element'], parameters['delimiter']);
  }
  const sourceType = parameters['__debezium.source.column.type'];
  if (sourceType !== undefined && GEOMETRIC.has(sourceType)) return GEOMETRIC_TEXT;
  // A type that the connector does not know comes as the bytes of its text.
  if (schema.type === 'bytes' && sourceType !== undefined && sourceType !== 'BYTEA') return TEXT;
  if (schema.type === 'string' && sourceType === 'NUMERIC') {
    if (keptAsText) return NUMERIC_TEXT;
    return decimalType(
      Number(parameters['__debezium.source.column.length'] ?? 0),
      Number(parameters['__debezium.source.column.scale'] ?? 0),
    );
  }
  if (schema.type === 'int' && schema['connect.type'] === 'int16')
    return directly('integer', passedAsIs('Int16'));
  if (typeof schema.type === 'string' && !isRecord(schema))
    return BY_AVRO_TYPE[schema.type] ?? TEXT;
  return TEXT;
}

/** Types whose numbers the driver spells its own way: `1.0`, `1.0E20`. */
const GEOMETRIC: ReadonlySet<string> = new Set([
  'LINE',
  'LSEG',
  'BOX',
  'PATH',
  'POLYGON',
  'CIRCLE',
]);
const NUMBER = /-?(?:\d[\d.]*(?:E-?\d+)?|Infinity)|NaN/g;

const GEOMETRIC_TEXT: ColumnType = {
  ...TEXT,
  encode: (value) => textOf(value).replace(NUMBER, (number) => spellDouble(Number(number))),
};

/** Most digits of a numeric's scale; Debezium tells a negative scale as one beyond. */
const MAX_SCALE = 1_000;

/** A numeric of negative scale: an integer, to which Debezium adds some two thousand zeros. */
const WHOLE_NUMERIC: ColumnType = {
  ...TEXT,
  encode: (value) => textOf(value).replace(/\.0*$/, ''),
};

/** A numeric with declared precision, or exact text where ClickHouse has no such Decimal. */
function decimalType(precision: number, scale: number): ColumnType {
  if (scale > MAX_SCALE) return WHOLE_NUMERIC;
  const fits =
    precision >= 1 && precision <= MAX_DECIMAL_DIGITS && scale >= 0 && scale <= precision;
  if (!fits) return NUMERIC_TEXT;
  const clickhouse = `Decimal(${precision}, ${scale})`;
  const type = fromText(clickhouse, (text) => {
    if (text in NUMERIC_SPECIALS) {
      throw new TributaryError('VALUE_REJECTED', `a value is NaN, which ${clickhouse} cannot hold`);
    }
    return text;
  });
  return directly('decimal', type);
}

/**
 * What a type becomes that cannot be `Nullable`: the JSON text of its cells. So elements are what
 * they are in an array, dates as dates and NaN as `"nan"`, not what they are on the way.
 */
export function jsonTextOf({ encode }: ColumnType): ColumnType {
  return { ...TEXT, encode: (value) => JSON.stringify(encode(value)) };
}

/** The ClickHouse type that also holds NULL. */
export function nullableOf(clickhouse: string): string {
  const inner = /^LowCardinality\((.*)\)$/.exec(clickhouse)?.[1];
  return inner === undefined ? `Nullable(${clickhouse})` : `LowCardinality(Nullable(${inner}))`;
}

/** Any value as text, for columns that are kept as text; bytes are text in UTF-8. */
export function textOf(value: ColumnValue): string {
  if (typeof value === 'string') return value;
  if (Buffer.isBuffer(value)) return value.toString();
  return JSON.stringify(value, (_key, part: unknown) =>
    typeof part === 'bigint' ? part.toString() : part,
  );
}

function isAnnotated(schema: AvroSchema): schema is AvroAnnotated {
  return typeof schema === 'object' && !Array.isArray(schema);
}

function coordinateOf(point: ColumnValue, name: 'x' | 'y'): string {
  const part: unknown = (point as unknown as Readonly<Record<string, unknown>>)[name];
  if (typeof part !== 'number') throw unexpected('point');
  return spellDouble(part);
}

function numberOf(value: ColumnValue): number {
  if (typeof value !== 'number') throw unexpected('number');
  return value;
}

function bigintOf(value: ColumnValue): bigint {
  if (typeof value !== 'bigint') throw unexpected('bigint');
  return value;
}

function unexpected(wanted: string): TributaryError {
  return new TributaryError('VALUE_REJECTED', `a value does not have the shape of ${wanted}`);
}
