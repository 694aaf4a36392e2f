import fc from 'fast-check';
import { expect, test } from 'vitest';
import { messageCode } from '#runtime/errors.ts';
import type { AvroSchema } from '../avro/avro-schema.ts';
import { ARRAY_SCHEMA } from './array-type.ts';
import { columnTypeOf } from './column-type.ts';
import { dateText, timestampText, timeText, zonedTimestampText } from './temporal-text.ts';

const named = (type: string, name: string): AvroSchema => ({ type, 'connect.name': name });
const numeric = (length: string, scale: string): AvroSchema => ({
  type: 'string',
  'connect.parameters': {
    '__debezium.source.column.type': 'NUMERIC',
    '__debezium.source.column.length': length,
    '__debezium.source.column.scale': scale,
  },
});

const array = (element?: string): AvroSchema => ({
  type: 'string',
  'connect.name': ARRAY_SCHEMA,
  'connect.parameters': element === undefined ? {} : { element },
});

test.each<[string, AvroSchema, string]>([
  ['boolean', ['null', 'boolean'], 'Bool'],
  ['smallint', { type: 'int', 'connect.type': 'int16' }, 'Int16'],
  ['integer', 'int', 'Int32'],
  ['bigint', 'long', 'Int64'],
  ['real', 'float', 'Float32'],
  ['double precision', 'double', 'Float64'],
  ['numeric(12,2)', numeric('12', '2'), 'Decimal(12, 2)'],
  ['numeric(76,76)', numeric('76', '76'), 'Decimal(76, 76)'],
  ['numeric(77,0), wider than any Decimal', numeric('77', '0'), 'String'],
  ['numeric without precision', numeric('0', '0'), 'String'],
  ['numeric(5,-2), negative scale', numeric('5', '-2'), 'String'],
  ['text', 'string', 'String'],
  ['bytea', 'bytes', 'String'],
  ['uuid', named('string', 'io.debezium.data.Uuid'), 'UUID'],
  ['jsonb', named('string', 'io.debezium.data.Json'), 'String'],
  ['enum', named('string', 'io.debezium.data.Enum'), 'LowCardinality(String)'],
  ['date', named('int', 'io.debezium.time.Date'), 'Date32'],
  ['timestamp', named('long', 'io.debezium.time.MicroTimestamp'), "DateTime64(6, 'UTC')"],
  ['timestamptz', named('string', 'io.debezium.time.ZonedTimestamp'), "DateTime64(6, 'UTC')"],
  ['text[]', array(), 'Array(Nullable(String))'],
  ['int[]', array('int4'), 'Array(Nullable(Int32))'],
  ['unknown record', { type: 'record', name: 'Point', fields: [] }, 'String'],
])('%s', (_postgres, schema, clickhouse) => {
  expect(columnTypeOf(schema).clickhouse).toBe(clickhouse);
});

test('NaN, infinities and negative zero survive JSON', () => {
  const { encode } = columnTypeOf('double');
  expect([Number.NaN, Infinity, -Infinity, -0, 0.1].map(encode)).toEqual([
    'nan',
    'inf',
    '-inf',
    '-0',
    0.1,
  ]);
});

test('bytes are kept in the text form that Postgres prints', () => {
  expect(columnTypeOf('bytes').encode(Buffer.from([0, 255, 0x22, 0x0a]))).toBe('\\x00ff220a');
});

test('the bytes of a type that the connector does not know are its text', () => {
  const vector: AvroSchema = {
    type: 'bytes',
    'connect.parameters': { '__debezium.source.column.type': 'VECTOR' },
  };
  expect(columnTypeOf(vector).encode(Buffer.from('[1,2.5]'))).toBe('[1,2.5]');
});

test('numeric without precision keeps what is no number under the names Postgres prints', () => {
  const { encode } = columnTypeOf(numeric('0', '0'));
  expect(['NAN', 'POSITIVE_INFINITY', 'NEGATIVE_INFINITY', '0.10'].map(encode)).toEqual([
    'NaN',
    'Infinity',
    '-Infinity',
    '0.10',
  ]);
});

test('bigints are exact text', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), (value) => {
      expect(columnTypeOf('long').encode(value)).toBe(value.toString());
    }),
  );
});

const FIRST = BigInt(Date.UTC(1900, 0, 1)) * 1000n;
const END = BigInt(Date.UTC(2300, 0, 1)) * 1000n;

test('timestamps are exact to the microsecond, before 1970 too', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: FIRST, max: END - 1n }), (micros) => {
      const text = timestampText(micros);
      expect(text).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}$/);
      const millis = BigInt(Date.parse(`${text.slice(0, 10)}T${text.slice(11, 23)}Z`));
      expect(millis * 1000n + BigInt(text.slice(23))).toBe(micros);
    }),
  );
});

function isRefused(act: () => unknown): boolean {
  try {
    act();
    return false;
  } catch (error) {
    return messageCode(error) === 'VALUE_REJECTED';
  }
}

test('times that ClickHouse would clamp without a word are refused', () => {
  expect(isRefused(() => timestampText(FIRST - 1n))).toBe(true);
  expect(isRefused(() => timestampText(END))).toBe(true);
  expect(isRefused(() => timestampText(9_223_372_036_825_200_000n))).toBe(true);
  expect(dateText(-25_567)).toBe('1900-01-01');
  expect(isRefused(() => dateText(-25_568))).toBe(true);
  expect(isRefused(() => dateText(2_147_483_647))).toBe(true);
  expect(zonedTimestampText('2299-12-31T23:59:59.999999Z')).toBe('2299-12-31T23:59:59.999999');
  for (const outside of [
    'infinity',
    '-infinity',
    '1899-12-31T23:59:59Z',
    '+10000-01-01T00:00:00Z',
  ]) {
    expect(isRefused(() => zonedTimestampText(outside))).toBe(true);
  }
});

test('times of day keep their microseconds, up to 24:00', () => {
  expect(timeText(0n)).toBe('00:00:00');
  expect(timeText(86_399_999_999n)).toBe('23:59:59.999999');
  expect(timeText(86_400_000_000n)).toBe('24:00:00');
  expect(timeText(1n)).toBe('00:00:00.000001');
});
