import type avro from 'avsc';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  startEmbeddedWarehouse,
  type EmbeddedWarehouse,
} from '../../warehouse/testing/embedded-server.ts';
import type { AvroSchema } from '../avro/avro-schema.ts';
import { compileType } from '../avro/decoder.ts';
import { NO_COLUMN_RULES, tableRules } from '../catalog/column-rules.ts';
import { stampOf, type ChangeStamp } from '../change/change-stamp.ts';
import { lsn } from '../change/lsn.ts';
import { offset } from '../change/offset.ts';
import type { ColumnValue } from '../change/row-image.ts';
import { packVersion, writeVersion, type Epoch } from '../change/version.ts';
import { envelopeSchema } from '../testing/sample-envelope.ts';
import { ARRAY_SCHEMA } from './array-type.ts';
import type { Cell } from './column-type.ts';
import { ownCells } from './own-columns.ts';
import { RowBlock } from './row-block.ts';
import { RowReader } from './row-reader.ts';
import { OWN_COLUMNS, planTable } from './table-plan.ts';
import { nullableOf } from './column-type.ts';

/*
 * What is copied from Avro into ClickHouse's own format is what ClickHouse reads when it is told the
 * same values as text: for any values of all types, NULL and arrays too, and refused where encoding
 * refuses them.
 */

let warehouse: EmbeddedWarehouse;

beforeAll(async () => {
  warehouse = await startEmbeddedWarehouse();
});

afterAll(async () => {
  await warehouse[Symbol.asyncDispose]();
});

async function run(query: string, body?: Buffer): Promise<string> {
  const parameters = new URLSearchParams(
    body === undefined
      ? {}
      : { query, precise_float_parsing: '1', input_format_null_as_default: '1' },
  );
  const response = await fetch(`${warehouse.url}/?${parameters.toString()}`, {
    method: 'POST',
    body: body ?? query,
  });
  const text = await response.text();
  if (!response.ok) throw new Error(text);
  return text;
}

const semantic = (type: string, name: string): AvroSchema => ({ type, 'connect.name': name });
const numeric = (precision: number, scale: number): AvroSchema => ({
  type: 'string',
  'connect.parameters': {
    '__debezium.source.column.type': 'NUMERIC',
    '__debezium.source.column.length': String(precision),
    '__debezium.source.column.scale': String(scale),
  },
});
const long = fc.oneof(
  fc.constantFrom(
    0n,
    1n,
    -1n,
    2n ** 63n - 1n,
    -(2n ** 63n),
    2n ** 53n + 1n,
    2n ** 32n,
    -(2n ** 31n),
  ),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
);
const int = fc.oneof(fc.constantFrom(0, -1, 2 ** 31 - 1, -(2 ** 31)), fc.integer());
const text = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 200 }),
  fc.constantFrom('', '\t\n\\N', '\u0000', 'ü'.repeat(130)),
);
const decimal = (precision: number, scale: number) =>
  fc
    .tuple(fc.boolean(), fc.bigInt({ min: 0n, max: 10n ** BigInt(precision) - 1n }), fc.boolean())
    .map(([isNegative, digits, isWhole]) => {
      const all = digits.toString().padStart(scale + 1, '0');
      const [whole, rest] = [all.slice(0, all.length - scale), all.slice(all.length - scale)];
      const number = isWhole || scale === 0 ? whole : `${whole}.${rest}`;
      return isNegative ? `-${number}` : number;
    });
const zoned = fc
  .tuple(
    fc.date({
      min: new Date('1899-12-30T00:00:00Z'),
      max: new Date('2300-01-02T00:00:00Z'),
      noInvalidDate: true,
    }),
    fc.constantFrom('', '.1', '.123', '.123456', '.000001', '.999999'),
  )
  .map(([date, fraction]) => `${date.toISOString().slice(0, 19)}${fraction}Z`);
const micros = fc.oneof(
  fc.bigInt({ min: -2_208_988_800_000_000n, max: 10_413_791_999_999_999n }),
  fc.constantFrom(
    -2_208_988_800_000_000n,
    -2_208_988_800_000_001n,
    10_413_791_999_999_999n,
    10_413_792_000_000_000n,
  ),
);

const array = (element?: string): AvroSchema => ({
  ...(semantic('string', ARRAY_SCHEMA) as object),
  type: 'string',
  'connect.parameters': element === undefined ? {} : { element },
});
/** As Postgres prints arrays. */
const list = (items: fc.Arbitrary<string>) =>
  fc
    .array(fc.option(items), { maxLength: 4 })
    .map(
      (all) =>
        `{${all.map((item) => (item === null ? 'NULL' : `"${item.replace(/["\\]/g, String.raw`\$&`)}"`)).join(',')}}`,
    );

/** Columns with what may be in them. */
const TYPES: readonly { name: string; type: AvroSchema; values: fc.Arbitrary<unknown> }[] = [
  { name: 'long', type: 'long', values: long },
  { name: 'int', type: 'int', values: int },
  {
    name: 'small',
    type: { type: 'int', 'connect.type': 'int16' },
    values: fc.integer({ min: -32_768, max: 32_767 }),
  },
  { name: 'flag', type: 'boolean', values: fc.boolean() },
  { name: 'text', type: 'string', values: text },
  { name: 'float', type: 'float', values: fc.float() },
  { name: 'double', type: 'double', values: fc.double() },
  {
    name: 'bytes',
    type: 'bytes',
    values: fc.uint8Array({ maxLength: 40 }).map((array) => Buffer.from(array)),
  },
  { name: 'uuid', type: semantic('string', 'io.debezium.data.Uuid'), values: fc.uuid() },
  {
    name: 'kind',
    type: semantic('string', 'io.debezium.data.Enum'),
    values: fc.constantFrom('a', 'B', 'ü'),
  },
  {
    name: 'date',
    type: semantic('int', 'io.debezium.time.Date'),
    values: fc.integer({ min: -25_568, max: 120_531 }),
  },
  { name: 'at', type: semantic('long', 'io.debezium.time.MicroTimestamp'), values: micros },
  { name: 'zoned', type: semantic('string', 'io.debezium.time.ZonedTimestamp'), values: zoned },
  { name: 'd9', type: numeric(9, 4), values: decimal(9, 4) },
  { name: 'd12', type: numeric(12, 2), values: decimal(12, 2) },
  { name: 'd18', type: numeric(18, 0), values: decimal(18, 0) },
  { name: 'd38', type: numeric(38, 20), values: decimal(38, 20) },
  { name: 'd76', type: numeric(76, 10), values: decimal(76, 10) },
  { name: 'free', type: numeric(0, 0), values: decimal(90, 20) },
  { name: 'longs', type: array('int8'), values: list(long.map(String)) },
  { name: 'texts', type: array(), values: list(text) },
  {
    name: 'days',
    type: array('date'),
    values: list(fc.constantFrom('1970-01-01', '1900-01-01', '2299-12-31', '2024-02-29')),
  },
];
const fields = TYPES.flatMap(({ name, type }) => [
  { name, type },
  { name: `${name}_null`, type: ['null', type] as AvroSchema },
]);
const plan = planTable({
  source: 'shop',
  schema: 'public',
  table: 't',
  keySchema: { type: 'record', name: 'Key', fields: [{ name: 'long', type: 'long' }] },
  valueSchema: envelopeSchema('t', fields),
  schemaId: 1,
  rules: tableRules(NO_COLUMN_RULES, { schema: 'public', table: 't' }),
});
const row = fc.record(
  Object.fromEntries(
    TYPES.flatMap(({ name, values }) => [
      [name, values],
      [`${name}_null`, fc.option(values)],
    ]),
  ),
);
const stamp = fc
  .record({
    epoch: fc.nat(65_535),
    commitLsn: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    offset: fc.bigInt({ min: 0n, max: 2n ** 48n - 1n }),
    kind: fc.constantFrom(
      'snapshot' as const,
      'insert' as const,
      'update' as const,
      'delete' as const,
    ),
    micros: fc.bigInt({ min: 0n, max: 10_413_791_999_999_999n }),
    partition: fc.nat(),
  })
  .map((parts): ChangeStamp => {
    const origin = {
      schema: 'public',
      table: 't',
      commitLsn: lsn(parts.commitLsn),
      transaction: null,
      lsn: lsn(parts.commitLsn),
      committedAtMicros: parts.micros,
    };
    const position = { partition: parts.partition, offset: offset(parts.offset) };
    return stampOf({ kind: parts.kind, origin, rows: [] }, position, parts.epoch as Epoch);
  });

test('whatever values come, ClickHouse holds what it would read from their text', async () => {
  const writer = compileType(plan.row);
  const columns = [
    ...plan.columns.map(
      ({ stored, type, nullable }) =>
        `\`${stored}\` ${nullable && type.canBeNullable ? nullableOf(type.clickhouse) : type.clickhouse}`,
    ),
    ...OWN_COLUMNS.map(({ name, clickhouse }) => `${name} ${clickhouse}`),
  ].join(', ');
  for (const name of ['by_text', 'by_copy']) {
    await run(`CREATE TABLE ${name} (${columns}) ENGINE = Memory`);
  }
  const names = [
    ...plan.columns.map(({ stored }) => stored),
    ...OWN_COLUMNS.map(({ name }) => name),
  ]
    .map((name) => `\`${name}\``)
    .join(', ');
  const reader = new RowReader(plan, new Set());
  let rows = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(row, stamp), { minLength: 1, maxLength: 40 }),
      async (changes) => {
        const block = new RowBlock(plan, new Set());
        const lines: string[] = [];
        for (const [values, own] of changes) {
          const record = writer.toBuffer(values);
          const cells = attempt(() => encoded(writer, record));
          const begin = block.rows;
          const copied = attempt(() => {
            expect(
              reader.read(record, { at: 0, isKeyOnly: false, isRemoved: false }, block),
            ).toEqual([]);
            block.endRow(own, own.kind === 'delete');
            return true;
          });
          // Refused by one is refused by the other, and leaves nothing.
          expect(copied === undefined).toBe(cells === undefined);
          if (cells === undefined) block.takeBack(begin);
          else lines.push(JSON.stringify([...cells, ...ownCells(own)]));
        }
        expect(block.rows).toBe(lines.length);
        if (lines.length === 0) return;
        rows += lines.length;
        await run(
          `INSERT INTO by_copy (${names}) FORMAT Native`,
          Buffer.concat(block.bytes((column) => column.nullable && column.type.canBeNullable)),
        );
        await run(
          `INSERT INTO by_text (${names}) FORMAT JSONCompactEachRow`,
          Buffer.from(lines.join('\n')),
        );
      },
    ),
    { numRuns: 60 },
  );
  expect(rows).toBeGreaterThan(100);
  const [copy, text] = await Promise.all(
    ['by_copy', 'by_text'].map((name) =>
      run(`SELECT ${names} FROM ${name} ORDER BY ALL FORMAT JSONEachRow`),
    ),
  );
  expect(copy?.split('\n').length).toBe(rows + 1);
  expect(copy).toBe(text);
});

/** What encoding makes of a record's values. */
function encoded(type: avro.Type, record: Buffer): Cell[] {
  const values = type.fromBuffer(record) as Record<string, ColumnValue>;
  return plan.columns.map((column) => {
    const value = values[column.field] ?? null;
    return value === null ? null : column.type.encode(value);
  });
}

/** Its result, or undefined when it refuses a value. */
function attempt<T>(act: () => T): T | undefined {
  try {
    return act();
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'VALUE_REJECTED')
      return undefined;
    throw error;
  }
}

test('a version is written as it is packed', () => {
  fc.assert(
    fc.property(stamp, ({ version }) => {
      const bytes = Buffer.alloc(16);
      writeVersion(new DataView(bytes.buffer, bytes.byteOffset, bytes.length), 0, version);
      const packed = (bytes.readBigUInt64LE(8) << 64n) | bytes.readBigUInt64LE(0);
      expect(packed).toBe(packVersion(version));
    }),
  );
});
