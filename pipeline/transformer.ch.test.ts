import { randomUUID } from 'node:crypto';
import type { ClickHouseClient } from '@clickhouse/client';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Secret } from '#runtime/config.ts';
import { TributaryError } from '#runtime/errors.ts';
import { createLogger } from '#runtime/log.ts';
import { migrate } from '../warehouse/migrate.ts';
import {
  startEmbeddedWarehouse,
  type EmbeddedWarehouse,
} from '../warehouse/testing/embedded-server.ts';
import { UNAVAILABLE } from './change/row-image.ts';
import { ARRAY_SCHEMA } from './transform/array-type.ts';
import type { AvroSchema } from './avro/avro-schema.ts';
import { NO_COLUMN_RULES } from './catalog/column-rules.ts';
import { parseColumnPattern, type ColumnPattern } from './catalog/table-pattern.ts';
import type { SchemaRegistry } from './avro/registry-client.ts';
import { offset, type Offset } from './change/offset.ts';
import { REPLAY_HEADER } from './change/replay.ts';
import type { Epoch } from './change/version.ts';
import { createPipelineMetrics } from './metrics.ts';
import { cleanMasked } from './resync/clean-masked.ts';
import { createLedger } from './resync/ledger.ts';
import { openRequests } from './resync/request-resync.ts';
import { StagedCopy } from './resync/staged-copy.ts';
import { connectWarehouse } from './sink/clickhouse-client.ts';
import { createClickHouseSink } from './sink/clickhouse-sink.ts';
import type { DeadLetter } from './sink/dead-letter.ts';
import { guardAgainstFlood } from './sink/flood-guard.ts';
import { FreshnessRecorder } from './sink/freshness-recorder.ts';
import { storedColumns } from './sink/stored-columns.ts';
import { ReplaySource, type LogRecord } from './testing/replay-source.ts';
import {
  encodeChange,
  envelopeSchema,
  type SampleChange,
  type SampleColumn,
} from './testing/sample-envelope.ts';
import { Transformer } from './transformer.ts';

const COLUMNS: readonly SampleColumn[] = [
  { name: 'id', type: 'long' },
  { name: 'name', type: ['null', 'string'] },
  { name: 'bio', type: ['null', 'string'] },
];
const log = createLogger('test', 'silent');
const never = new AbortController().signal;

let warehouse: EmbeddedWarehouse;
let client: ClickHouseClient;

beforeAll(async () => {
  warehouse = await startEmbeddedWarehouse();
  client = connectWarehouse(
    { url: warehouse.url, user: 'default', password: new Secret('') },
    'test',
  );
  await migrate(client, { log, signal: never });
});

afterAll(async () => {
  await client.close();
  await warehouse[Symbol.asyncDispose]();
});

/** Schemas by id, as a registry would serve them. */
class Schemas implements SchemaRegistry {
  readonly #schemas: AvroSchema[] = [];

  add(schema: AvroSchema): number {
    return this.#schemas.push(schema) - 1;
  }

  async schema(id: number): Promise<unknown> {
    const schema = this.#schemas[id];
    if (schema === undefined) throw new TributaryError('SCHEMA_UNKNOWN', `no schema ${id}`);
    return schema;
  }
}

/** One table of a source `shop`, with its records. */
class Table {
  readonly name = `t_${randomUUID().replaceAll('-', '')}`;
  readonly topic = `shop.public.${this.name}`;
  readonly schemas = new Schemas();
  readonly log: LogRecord[] = [];
  readonly letters: DeadLetter[] = [];
  /** Names in the warehouse by names at the source. */
  names = new Map<string, string>();
  gone = new Set<string>();
  contract: ColumnPattern[] = [];
  /** Commit time of the changes that follow. */
  committedAtMicros = 1_700_000_000_000_000;
  #value: AvroSchema = 'null';
  #valueId = 0;
  #key: Buffer | null = null;

  constructor(columns: readonly SampleColumn[] = COLUMNS, key: readonly string[] = ['id']) {
    this.evolve(columns, key);
  }

  /** From here on, records are written with another schema. */
  evolve(columns: readonly SampleColumn[], key: readonly string[] = ['id']): void {
    this.#value = envelopeSchema(this.name, columns);
    this.#valueId = this.schemas.add(this.#value);
    this.#key = null;
    if (key.length === 0) return;
    const keyId = this.schemas.add({
      type: 'record',
      name: 'Key',
      fields: columns.filter(({ name }) => key.includes(name)),
    });
    this.#key = Buffer.alloc(5);
    this.#key.writeUInt32BE(keyId, 1);
  }

  change(change: SampleChange, partition = 0): void {
    const value = encodeChange(this.#value, this.#valueId, this.name, {
      sequence: `["${1000 + this.log.length}","1"]`,
      committedAtMicros: this.committedAtMicros,
      ...change,
    });
    this.log.push({ partition, key: change.op === 't' ? null : this.#key, value });
  }

  raw(value: Buffer | null): void {
    this.log.push({ partition: 0, key: this.#key, value });
  }

  /** A change that is replayed: it first stood at an offset where something else is now. */
  replay(firstOffset: number, change: SampleChange): void {
    this.change(change);
    const last = this.log.pop();
    if (last === undefined) throw new Error('no record');
    this.log.push({ ...last, headers: { [REPLAY_HEADER]: String(firstOffset) } });
  }

  /** One life of a pipeline process: from these offsets until everything queued is stored. */
  async run(
    options: {
      from?: ReadonlyMap<number, Offset>;
      cuts?: readonly number[];
      until?: number;
      partitions?: number;
      mostLetters?: number;
      bufferBytes?: number;
    } = {},
  ) {
    const source = new ReplaySource(this.topic, this.log, options);
    const metrics = createPipelineMetrics();
    const transformer = new Transformer({
      source,
      sink: createClickHouseSink(client),
      deadLetters: guardAgainstFlood(
        {
          write: async (letter) => {
            this.letters.push(letter);
          },
        },
        { letters: options.mostLetters ?? 1_000, windowMs: 600_000 },
      ),
      registry: this.schemas,
      ledger: createLedger(client),
      rules: new Map([['shop', { ...NO_COLUMN_RULES, contract: this.contract }]]),
      columnNames: { of: async () => ({ names: this.names, gone: this.gone }) },
      freshness: new FreshnessRecorder(client, 'test', log),
      metrics,
      limits: { maxRows: 5, maxBytes: 100_000 },
      bufferBytes: options.bufferBytes ?? 24_000_000,
      insertsAtOnce: 4,
      flushIntervalMs: 0,
      drainTimeoutMs: 30_000,
      log,
    });
    await transformer.run(never);
    const halted = (await metrics.haltedTables.get()).values.some(({ value }) => value === 1);
    return { committed: source.committed, halted, mostAhead: source.mostAhead };
  }

  async query<T>(sql: string): Promise<T[]> {
    const result = await client.query({
      query: sql
        .replaceAll('{view}', `shop.${this.name}`)
        .replaceAll('{log}', `changes.shop__${this.name}`)
        .replaceAll('{history}', `history.shop__${this.name}`),
      format: 'JSONEachRow',
    });
    return result.json<T>();
  }
}

interface Person {
  id: string;
  name: string | null;
  bio: string | null;
}

/** Steps of a table's life; what they do depends on which rows are there. */
const steps = fc.array(
  fc.record({
    id: fc.integer({ min: 1, max: 4 }),
    kind: fc.constantFrom('put', 'put', 'keepBio', 'delete'),
    name: fc.option(fc.string({ maxLength: 5 }), { nil: null }),
    bio: fc.option(fc.string({ unit: 'grapheme', maxLength: 5 }), { nil: null }),
  }),
  { minLength: 1, maxLength: 40 },
);

function play(
  table: Table,
  life: readonly Step[],
  start: ReadonlyMap<number, Person> = new Map(),
): Map<number, Person> {
  const rows = new Map(start);
  for (const { id, kind, name, bio } of life) {
    const before = rows.get(id);
    const partition = id % 2;
    if (kind === 'delete') {
      if (before === undefined) continue;
      table.change({ op: 'd', before: { id, name: null, bio: null } }, partition);
      rows.delete(id);
    } else if (before !== undefined && kind === 'keepBio') {
      table.change({ op: 'u', after: { id, name, bio: UNAVAILABLE } }, partition);
      rows.set(id, { ...before, name });
    } else {
      table.change({ op: before === undefined ? 'c' : 'u', after: { id, name, bio } }, partition);
      rows.set(id, { id: String(id), name, bio });
    }
  }
  return rows;
}

interface Step {
  readonly id: number;
  readonly kind: string;
  readonly name: string | null;
  readonly bio: string | null;
}

test('whatever is redelivered after crashes, each change is stored once and the newest wins', async () => {
  const crashes = fc.array(fc.record({ until: fc.nat(40), back: fc.nat(10) }), { maxLength: 3 });
  const cuts = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 4 });
  await fc.assert(
    fc.asyncProperty(steps, crashes, cuts, async (life, lives, sizes) => {
      const table = new Table();
      const expected = play(table, life);
      fc.pre(table.log.length > 0);
      let from = new Map<number, Offset>();
      for (const { until, back } of [...lives, { until: table.log.length, back: 0 }]) {
        const { committed } = await table.run({ from, cuts: sizes, until });
        // The next life begins earlier than what was committed: commits were lost.
        for (const [partition, next] of committed) {
          from.set(partition, offset(next > BigInt(back) ? next - BigInt(back) : 0n));
        }
        from = new Map(from);
      }
      const rows = await table.query<Person>(
        'SELECT toString(id) AS id, name, bio FROM {view} ORDER BY id',
      );
      expect(rows).toEqual([...expected.values()].sort((a, b) => Number(a.id) - Number(b.id)));
      const [stored] = await table.query<{ n: string }>('SELECT toString(count()) AS n FROM {log}');
      expect(Number(stored?.n)).toBe(table.log.length);
    }),
    { numRuns: 15, endOnFailure: true },
  );
}, 120_000);

test('a change committed later wins although its own log position is lower', async () => {
  const table = new Table();
  table.change({
    op: 'u',
    after: { id: 1, name: 'first', bio: null },
    sequence: '["100","9056"]',
    lsn: 9056,
  });
  table.change({
    op: 'u',
    after: { id: 1, name: 'second', bio: null },
    sequence: '["200","8952"]',
    lsn: 8952,
  });
  await table.run();
  expect(await table.query('SELECT name FROM {view}')).toEqual([{ name: 'second' }]);
});

test('a row read by a snapshot never beats the change that was streamed after it', async () => {
  const table = new Table();
  table.change({
    op: 'r',
    after: { id: 1, name: 'read', bio: null },
    sequence: '[null,"9999"]',
    lsn: 9999,
  });
  table.change({
    op: 'u',
    after: { id: 1, name: 'changed', bio: null },
    sequence: '[null,"90"]',
    lsn: 90,
  });
  table.change({
    op: 'd',
    before: { id: 1, name: null, bio: null },
    sequence: '["95","91"]',
    lsn: 91,
  });
  table.change({
    op: 'c',
    after: { id: 1, name: 'again', bio: null },
    sequence: '["96","92"]',
    lsn: 92,
  });
  await table.run();
  expect(await table.query('SELECT name FROM {view}')).toEqual([{ name: 'again' }]);
  expect(await table.query('SELECT _op FROM {log} ORDER BY _version')).toEqual(
    ['snapshot', 'update', 'delete', 'insert'].map((_op) => ({ _op })),
  );
});

test('a snapshot that was broken off and begins anew asks for a resync, once, also after a crash', async () => {
  const requests = async (table: Table) =>
    (await openRequests(client)).filter((request) => request.table === table.name);
  for (const lives of [[undefined], [3, 5, undefined]]) {
    const table = new Table();
    const read = (id: number, transaction: number) =>
      table.change({
        op: 'r',
        after: { id, name: 'read', bio: null },
        sequence: `[null,"${transaction}"]`,
        transaction,
      });
    for (const id of [1, 2, 3]) read(id, 70);
    // The second was deleted in between.
    for (const id of [1, 3, 4]) read(id, 80);
    table.change({ op: 'u', after: { id: 4, name: 'changed', bio: null }, transaction: 81 });
    let from: ReadonlyMap<number, Offset> | undefined;
    for (const until of lives) {
      ({ committed: from } = await table.run({
        ...(from === undefined ? {} : { from }),
        ...(until === undefined ? {} : { until }),
      }));
      expect(await requests(table)).toHaveLength(until === 3 ? 0 : 1);
    }
    expect(
      await table.query(
        `SELECT toString(count()) AS n FROM ops.resync_requests WHERE table_name = '${table.name}'`,
      ),
    ).toEqual([{ n: '1' }]);
    expect(await requests(table)).toEqual([
      {
        source: 'shop',
        schema: 'public',
        table: table.name,
        reason: expect.stringContaining('began anew'),
      },
    ]);
  }
});

test('a replayed change takes its place in the history, also for the values that updates left alone', async () => {
  for (const cuts of [[100], [1]]) {
    const table = new Table();
    table.change({ op: 'c', after: { id: 1, name: 'n0', bio: 'A' }, sequence: '["10","1"]' });
    table.raw(Buffer.from('of a schema that is not there yet'));
    table.change({ op: 'u', after: { id: 1, name: 'n2', bio: 'C' }, sequence: '["12","1"]' });
    const late = { op: 'u', sequence: '["11","1"]' } as const;
    table.replay(1, { ...late, after: { id: 1, name: 'late', bio: UNAVAILABLE } });
    table.change({
      op: 'u',
      after: { id: 1, name: 'n3', bio: UNAVAILABLE },
      sequence: '["13","1"]',
    });
    table.replay(1, { ...late, after: { id: 1, name: 'late', bio: UNAVAILABLE } });
    await table.run({ cuts });
    expect(await table.query('SELECT name, bio FROM {view}')).toEqual([{ name: 'n3', bio: 'C' }]);
    // Replayed twice, and once in the log.
    expect(await table.query('SELECT name, bio FROM {log} FINAL ORDER BY _version')).toEqual([
      { name: 'n0', bio: 'A' },
      { name: 'late', bio: 'A' },
      { name: 'n2', bio: 'C' },
      { name: 'n3', bio: 'C' },
    ]);
  }
});

test('history says of every row what it was when: gapless, never two at a time', async () => {
  // Several changes of a row at one time, and a server whose clock is set back.
  const clock = fc.array(fc.integer({ min: -3, max: 5 }), { minLength: 40, maxLength: 40 });
  await fc.assert(
    fc.asyncProperty(steps, clock, async (life, ticks) => {
      const table = new Table();
      const lives = new Map<number, { since: number; person: Person | undefined }[]>();
      let rows = new Map<number, Person>();
      let second = 1_700_000_000;
      for (const [index, step] of life.entries()) {
        second += ticks[index] ?? 0;
        table.committedAtMicros = second * 1_000_000;
        const written = table.log.length;
        rows = play(table, [step], rows);
        if (table.log.length === written) continue;
        const versions = lives.get(step.id) ?? [];
        lives.set(step.id, versions);
        const since = Math.max(second, versions.at(-1)?.since ?? 0);
        if (versions.at(-1)?.since === since) versions.pop();
        versions.push({ since, person: rows.get(step.id) });
      }
      fc.pre(table.log.length > 0);
      await table.run();
      expect(
        await table.query(
          `SELECT toString(id) AS id, name, bio, toUnixTimestamp(valid_from) AS since,
             if(valid_to IS NULL, NULL, toUnixTimestamp(assumeNotNull(valid_to))) AS until
           FROM {history} ORDER BY id, since`,
        ),
      ).toEqual(
        [...lives]
          .sort(([a], [b]) => a - b)
          .flatMap(([, versions]) =>
            versions.flatMap(({ since, person }, index) =>
              person === undefined
                ? []
                : [{ ...person, since, until: versions[index + 1]?.since ?? null }],
            ),
          ),
      );
    }),
    { numRuns: 20, endOnFailure: true },
  );
}, 120_000);

test('truncate empties the table and what is written after it stays', async () => {
  const table = new Table();
  for (const id of [1, 2, 3]) table.change({ op: 'c', after: { id, name: 'old', bio: null } });
  table.change({ op: 't' });
  table.change({ op: 'c', after: { id: 2, name: 'new', bio: null } });
  await table.run();
  expect(await table.query('SELECT toString(id) AS id, name FROM {view}')).toEqual([
    { id: '2', name: 'new' },
  ]);
  // Again from the start of the truncation: nothing may change.
  await table.run({ from: new Map([[0, offset(3n)]]) });
  expect(await table.query('SELECT toString(id) AS id, name FROM {view}')).toEqual([
    { id: '2', name: 'new' },
  ]);
  const [removed] = await table.query<{ n: string }>(
    "SELECT toString(count()) AS n FROM {log} FINAL WHERE _op = 'truncate'",
  );
  expect(removed?.n).toBe('3');
});

test('records that can never be applied are set aside, and those around them are stored', async () => {
  const table = new Table([
    ...COLUMNS,
    { name: 'at', type: { type: 'int', 'connect.name': 'io.debezium.time.Date' } },
  ]);
  const row = (id: number, at: number) => ({ id, name: 'x', bio: null, at });
  table.change({ op: 'c', after: row(1, 0) });
  table.raw(Buffer.from([1, 2, 3, 4, 5, 6]));
  table.raw(Buffer.from([0, 0, 0, 0]));
  table.raw(Buffer.from([0, 0, 0, 99, 99, 1]));
  table.change({ op: 'c', after: row(2, 2_147_483_647) });
  table.change({ op: 'x' as 'c', after: row(3, 0) });
  table.raw(null);
  table.change({ op: 'u', after: { ...row(9, 0), bio: UNAVAILABLE } });
  table.change({ op: 'c', after: row(4, 0) });
  const { committed, halted } = await table.run();
  expect(halted).toBe(false);
  expect(committed.get(0)).toBe(9n);
  // Some are found out when they are read, some when they are stored.
  const letters = table.letters.toSorted((a, b) => Number(a.record.offset - b.record.offset));
  expect(letters.map(({ error }) => error.code)).toEqual([
    'RECORD_MALFORMED',
    'RECORD_MALFORMED',
    'SCHEMA_UNKNOWN',
    'VALUE_REJECTED',
    'ENVELOPE_UNEXPECTED',
    'ROW_INCOMPLETE',
  ]);
  expect(
    table.letters.every(
      ({ record, error }) => record.value !== null && !error.message.includes('2147483647'),
    ),
  ).toBe(true);
  expect(await table.query('SELECT toString(id) AS id FROM {view} ORDER BY id')).toEqual([
    { id: '1' },
    { id: '4' },
  ]);
});

test('one value that ClickHouse refuses costs that record and no other of its batch', async () => {
  const uuid = { type: 'string', 'connect.name': 'io.debezium.data.Uuid' };
  const table = new Table([...COLUMNS, { name: 'ref', type: uuid }]);
  for (let id = 1; id <= 5; id += 1) {
    table.change({
      op: 'c',
      after: { id, name: 'x', bio: null, ref: id === 3 ? 'secret-not-a-uuid' : randomUUID() },
    });
  }
  await table.run();
  expect(table.letters.map(({ error, record }) => [error.code, record.offset])).toEqual([
    ['VALUE_REJECTED', 2n],
  ]);
  expect(table.letters[0]?.error.message).not.toContain('secret');
  expect(await table.query('SELECT toString(id) AS id FROM {view} ORDER BY id')).toEqual(
    ['1', '2', '4', '5'].map((id) => ({ id })),
  );
});

test('a flood halts the table before the letter above the limit, and nothing is lost once it goes on', async () => {
  const uuid = { type: 'string', 'connect.name': 'io.debezium.data.Uuid' };
  for (const isRefusedByClickHouse of [true, false]) {
    const table = new Table([...COLUMNS, { name: 'ref', type: uuid }]);
    for (let id = 1; id <= 12; id += 1) {
      const ref = id % 3 === 0 && isRefusedByClickHouse ? 'no uuid' : randomUUID();
      if (id % 3 === 0 && !isRefusedByClickHouse) table.raw(Buffer.from('no Avro'));
      else table.change({ op: 'c', after: { id, name: 'x', bio: null, ref } });
    }
    const flooded = await table.run({ mostLetters: 2 });
    expect(flooded.halted).toBe(true);
    expect(table.letters.map(({ record }) => record.offset)).toEqual([2n, 5n]);

    const later = await table.run({ from: flooded.committed });
    expect(later.halted).toBe(false);
    expect(new Set(table.letters.map(({ record }) => record.offset))).toEqual(
      new Set([2n, 5n, 8n, 11n]),
    );
    expect(await table.query('SELECT toString(id) AS text FROM {view} ORDER BY id')).toEqual(
      ['1', '2', '4', '5', '7', '8', '10', '11'].map((text) => ({ text })),
    );
  }
});

test('columns come, widen and go while the view keeps answering', async () => {
  const table = new Table([
    { name: 'id', type: 'long' },
    { name: 'n', type: 'int' },
    { name: 'old', type: 'string' },
  ]);
  table.change({ op: 'c', after: { id: 1, n: 5, old: 'kept' } });
  table.evolve([
    { name: 'id', type: 'long' },
    { name: 'n', type: ['null', 'long'] },
    { name: 'added', type: 'string' },
  ]);
  table.change({ op: 'c', after: { id: 2, n: null, added: 'here' } });
  await table.run();
  expect(
    await table.query('SELECT toString(id) AS id, n, old, added FROM {view} ORDER BY id'),
  ).toEqual([
    { id: '1', n: 5, old: 'kept', added: null },
    // Neither 0 nor empty: the source says nothing of it any more.
    { id: '2', n: null, old: null, added: 'here' },
  ]);
});

test('a type that does not fit, a key that changed and a topic made anew halt the table untouched', async () => {
  const retyped = new Table([
    { name: 'id', type: 'long' },
    { name: 'n', type: 'long' },
  ]);
  retyped.change({ op: 'c', after: { id: 1, n: 7 } });
  await retyped.run();
  retyped.evolve([
    { name: 'id', type: 'long' },
    { name: 'n', type: { type: 'string', 'connect.name': ARRAY_SCHEMA } },
  ]);
  retyped.change({ op: 'u', after: { id: 1, n: '{7}' } });
  const outcome = await retyped.run({ from: new Map([[0, offset(1n)]]) });
  expect(outcome.halted).toBe(true);
  expect(outcome.committed.get(0)).toBeUndefined();
  expect(await retyped.query('SELECT toString(n) AS n FROM {view}')).toEqual([{ n: '7' }]);

  const rekeyed = new Table();
  rekeyed.change({ op: 'c', after: { id: 1, name: 'x', bio: null } });
  await rekeyed.run();
  rekeyed.evolve(
    [
      { name: 'id', type: 'long' },
      { name: 'name', type: 'string' },
      { name: 'bio', type: ['null', 'string'] },
    ],
    ['name'],
  );
  rekeyed.change({ op: 'c', after: { id: 1, name: 'y', bio: null } });
  expect((await rekeyed.run({ from: new Map([[0, offset(1n)]]) })).halted).toBe(true);

  const shortened = new Table();
  for (const id of [1, 2, 3]) shortened.change({ op: 'c', after: { id, name: 'x', bio: null } });
  await shortened.run();
  shortened.log.splice(0, 2);
  expect((await shortened.run()).halted).toBe(true);
});

const parameters = (length: number, scale: number) => ({
  '__debezium.source.column.type': 'NUMERIC',
  '__debezium.source.column.length': String(length),
  '__debezium.source.column.scale': String(scale),
});
const numeric = (length: number, scale: number): AvroSchema => ({
  type: 'string',
  'connect.parameters': parameters(length, scale),
});

/** Types that a column may go through, each with a value and its text. */
const TYPES: readonly { type: AvroSchema; value: unknown; text: string }[] = [
  { type: { type: 'int', 'connect.type': 'int16' }, value: -32768, text: '-32768' },
  { type: 'int', value: 2147483647, text: '2147483647' },
  { type: 'long', value: 4294967296, text: '4294967296' },
  { type: numeric(10, 2), value: '12345678.25', text: '12345678.25' },
  { type: numeric(12, 6), value: '123456.123456', text: '123456.123456' },
  { type: numeric(76, 0), value: '9'.repeat(76), text: '9'.repeat(76) },
  { type: 'string', value: 'any text', text: 'any text' },
  { type: 'boolean', value: true, text: 'true' },
  {
    type: { type: 'int', 'connect.name': 'io.debezium.time.Date' },
    value: 19782,
    text: '2024-02-29',
  },
  {
    type: { type: 'string', 'connect.name': 'io.debezium.data.Enum' },
    value: 'label',
    text: 'label',
  },
];

test('whatever types a column goes through, each value stays as it was written', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.nat(TYPES.length - 1), { minLength: 1, maxLength: 5 }),
      async (path) => {
        const table = new Table();
        for (const [id, step] of path.entries()) {
          const { type, value } = TYPES[step] ?? { type: 'string', value: '' };
          table.evolve([
            { name: 'id', type: 'long' },
            { name: 'v', type: id % 2 === 0 ? type : ['null', type] },
          ]);
          table.change({ op: 'c', after: { id, v: value } });
        }
        expect((await table.run()).halted).toBe(false);
        expect(await table.query('SELECT toString(v) AS text FROM {view} ORDER BY id')).toEqual(
          path.map((step) => ({ text: TYPES[step]?.text })),
        );
      },
    ),
    { numRuns: 40 },
  );
});

test('an update that leaves a value alone finds it, whatever type the key is of', async () => {
  const keys = [
    ...TYPES,
    { type: numeric(12, 6), value: '1.500000' },
    { type: 'double', value: 0.1 },
    {
      type: { type: 'long', 'connect.name': 'io.debezium.time.MicroTimestamp' },
      value: 1_700_000_000_000_000,
    },
    { type: { type: 'string', 'connect.name': 'io.debezium.data.Uuid' }, value: randomUUID() },
  ];
  for (const { type, value } of keys) {
    const table = new Table([
      { name: 'id', type },
      { name: 'n', type: 'int' },
      { name: 'bio', type: ['null', 'string'] },
    ]);
    table.change({ op: 'c', after: { id: value, n: 1, bio: 'kept' } });
    await table.run();
    table.change({ op: 'u', after: { id: value, n: 2, bio: UNAVAILABLE } });
    await table.run();
    expect(await table.query('SELECT n, bio FROM {view}')).toEqual([{ n: 2, bio: 'kept' }]);
  }
});

test('a row whose key changes keeps what the update left alone, however batches and crashes tear it apart', async () => {
  for (const cuts of [[100], [1], [2], [3]]) {
    const table = new Table();
    let position = 0;
    const put = (id: number, name: string, bio: string) =>
      table.change({ op: 'c', after: { id, name, bio }, lsn: ++position });
    // As Debezium sends it: both with the position of the update, and a tombstone between them.
    const move = (from: number, to: number, name: string) => {
      table.change({ op: 'd', before: { id: from, name: null, bio: null }, lsn: ++position });
      table.raw(null);
      table.change({ op: 'c', after: { id: to, name, bio: UNAVAILABLE }, lsn: position });
    };
    put(1, 'a', 'A');
    put(2, 'b', 'B');
    // On and on within one transaction, with an update between.
    move(1, 10, 'a1');
    move(10, 11, 'a2');
    table.change({ op: 'u', after: { id: 11, name: 'a3', bio: UNAVAILABLE }, lsn: ++position });
    move(11, 12, 'a4');
    // Two rows take one another's key.
    put(3, 'c', 'C');
    move(2, 0, 'b');
    move(3, 2, 'c');
    move(0, 3, 'b');
    // A key that was another row's before.
    move(3, 1, 'b1');
    for (let until = 1; until < table.log.length; until += cuts[0] ?? 1) {
      await table.run({ cuts, until });
    }
    await table.run({ cuts });
    expect(table.letters, String(cuts)).toEqual([]);
    expect(
      await table.query('SELECT toString(id) AS id, name, bio FROM {view} ORDER BY name'),
    ).toEqual([
      { id: '12', name: 'a4', bio: 'A' },
      { id: '1', name: 'b1', bio: 'B' },
      { id: '2', name: 'c', bio: 'C' },
    ]);
  }
});

test('a table whose topic has got another partition waits: its keys have moved', async () => {
  const table = new Table();
  table.change({ op: 'c', after: { id: 1, name: 'before', bio: null } });
  expect((await table.run({ partitions: 1 })).halted).toBe(false);
  table.change({ op: 'u', after: { id: 1, name: 'moved', bio: null } }, 1);
  const from = new Map([[0, offset(1n)]]);
  expect((await table.run({ from, partitions: 2 })).halted).toBe(true);
  expect(await table.query('SELECT name FROM {view}')).toEqual([{ name: 'before' }]);
});

test('what a column held before it was masked is taken out of every version of its rows', async () => {
  const table = new Table([
    ...COLUMNS,
    { name: 'secret', type: 'string' },
    { name: 'age', type: ['null', 'int'] },
  ]);
  const row = (id: number, bio: string | null) => ({
    id,
    name: `n${id}`,
    bio,
    secret: 's',
    age: 7,
  });
  const hashed = 'ab'.repeat(32);
  table.change({ op: 'c', after: row(1, 'clear') });
  table.change({ op: 'u', after: row(1, hashed) });
  table.change({ op: 'c', after: row(2, null) });
  table.change({ op: 'd', before: row(2, null) });
  await table.run();
  const masks = { name: 'redact', bio: 'hash', secret: 'drop', age: 'drop' } as const;
  const storage = `shop__${table.name}`;
  const columns = await storedColumns(client, storage);
  await cleanMasked(client, storage, columns, (name) => masks[name as keyof typeof masks]);
  expect(
    await table.query('SELECT _op, name, bio, secret, age FROM {log} ORDER BY _version'),
  ).toEqual([
    { _op: 'insert', name: '***', bio: null, secret: null, age: null },
    { _op: 'update', name: '***', bio: hashed, secret: null, age: null },
    { _op: 'insert', name: '***', bio: null, secret: null, age: null },
    { _op: 'delete', name: null, bio: null, secret: null, age: null },
  ]);
  expect(await table.query('SELECT name, bio, secret, age FROM {view}')).toEqual([
    { name: '***', bio: hashed, secret: '', age: null },
  ]);
  // Nor is it under the NULL that is there now.
  expect(
    await table.query(
      `SELECT assumeNotNull(bio) AS bio, assumeNotNull(secret) AS secret, toString(assumeNotNull(age)) AS age
       FROM {log} WHERE _op = 'insert' AND name = '***' ORDER BY _version`,
    ),
  ).toEqual([
    { bio: '', secret: '', age: '0' },
    { bio: '', secret: '', age: '0' },
  ]);
});

test('a column keeps its published name when it is renamed, and answers to the new one too', async () => {
  const table = new Table();
  table.change({ op: 'c', after: { id: 1, name: 'Ann', bio: 'x' } });
  table.names = new Map([['full_name', 'name']]);
  table.evolve([
    { name: 'id', type: 'long' },
    { name: 'full_name', type: ['null', 'string'] },
    { name: 'bio', type: ['null', 'string'] },
    { name: 'nick', type: ['null', 'string'] },
  ]);
  table.change({ op: 'c', after: { id: 2, full_name: 'Bob', bio: null, nick: 'B' } });
  await table.run();
  const rows = [
    { name: 'Ann', full_name: 'Ann', nick: null },
    { name: 'Bob', full_name: 'Bob', nick: 'B' },
  ];
  expect(await table.query('SELECT name, full_name, nick FROM {view} ORDER BY id')).toEqual(rows);
  expect(await table.query('SELECT name, full_name, nick FROM {history} ORDER BY id')).toEqual(
    rows,
  );
});

test('a change that would break the contract stops the table, and the view answers as before', async () => {
  for (const column of [undefined, { name: 'n', type: 'boolean' }]) {
    const table = new Table([
      { name: 'id', type: 'long' },
      { name: 'n', type: 'long' },
    ]);
    table.contract = [parseColumnPattern(`public.${table.name}.n`)];
    table.change({ op: 'c', after: { id: 1, n: 7 } });
    await table.run();
    if (column === undefined) table.gone.add('n');
    table.evolve([{ name: 'id', type: 'long' }, ...(column === undefined ? [] : [column])]);
    table.change({ op: 'c', after: { id: 2, n: true } });
    expect((await table.run({ from: new Map([[0, offset(1n)]]) })).halted).toBe(true);
    expect(await table.query('SELECT toString(n) AS n FROM {view}')).toEqual([{ n: '7' }]);
    // Once it is taken off, the table goes on where it stood.
    table.contract = [];
    expect((await table.run({ from: new Map([[0, offset(1n)]]) })).halted).toBe(false);
    expect(await table.query('SELECT toString(id) AS id FROM {view} ORDER BY id')).toEqual([
      { id: '1' },
      { id: '2' },
    ]);
  }
});

test.each([
  { name: 'with a key', key: ['id'] },
  { name: 'without a key', key: [] },
])('names that need quoting, and names of our own, pass through $name', async ({ key }) => {
  const own = [
    '_row',
    '_copies',
    '_nth',
    '_copy',
    '_sum',
    '_since',
    '_at',
    '_added',
    'c',
    'p',
    'h',
  ];
  const columns: SampleColumn[] = [
    { name: 'id', type: 'long' },
    ...['_version', '_deleted', 'SELECT', '_version_', 'valid_to', ...own].map((name) => ({
      name,
      type: ['null', 'string'] as AvroSchema,
    })),
    {
      name: 'Gr__e',
      type: [
        'null',
        {
          type: 'string',
          'connect.parameters': { '__debezium.source.column.name': "Größe `x` '\\" },
        },
      ],
    },
  ];
  const table = new Table(columns, key);
  const row = { id: 1, _version: 'v', _deleted: 'd', SELECT: 's', _version_: 'w' };
  const others = Object.fromEntries(own.map((name) => [name, `of ${name}`]));
  const before = { ...row, valid_to: 't', ...others, Gr__e: 'before' };
  table.change({ op: 'c', after: before });
  table.change({ op: 'u', before, after: { ...before, Gr__e: 'ß' } });
  await table.run();
  const great = { "Größe `x` '\\": 'ß' };
  expect(await table.query('SELECT * FROM {view}')).toEqual([
    { ...row, valid_to: 't', ...others, ...great },
  ]);
  expect(await table.query('SELECT * EXCEPT valid_from FROM {history}')).toEqual([
    { ...row, valid_to_: 't', ...others, ...great, valid_to: null },
  ]);
});

/** A row of a table without a key, as texts. */
interface Item {
  readonly n: number | null;
  readonly name: string | null;
  readonly score: number;
  readonly tags: readonly string[];
}

const ITEM_COLUMNS: readonly SampleColumn[] = [
  { name: 'n', type: ['null', 'long'] },
  { name: 'name', type: ['null', 'string'] },
  { name: 'score', type: 'double' },
  { name: 'tags', type: { type: 'string', 'connect.name': ARRAY_SCHEMA } },
];

/** Few values, among them near misses, so that rows are often equal. */
const item: fc.Arbitrary<Item> = fc.record({
  n: fc.constantFrom(null, 1, 11),
  name: fc.constantFrom(null, '', '1:a', "it's"),
  score: fc.constantFrom(0, -0, Number.NaN),
  tags: fc.constantFrom([], [''], ['a', 'b']),
});

/** As the connector sends it: an array as Postgres prints it. */
const sent = (row: Item) => ({ ...row, tags: `{${row.tags.map((tag) => `"${tag}"`).join(',')}}` });

const itemSteps = fc.array(
  fc.record({
    kind: fc.constantFrom('insert', 'insert', 'insert', 'update', 'same', 'delete', 'truncate'),
    which: fc.nat(),
    item,
    /** Whether it is in the transaction of the step before. */
    together: fc.boolean(),
  }),
  { minLength: 1, maxLength: 40 },
);

const itemText = ({ n, name, score, tags }: Item) =>
  JSON.stringify([
    n === null ? null : String(n),
    name,
    Object.is(score, -0) ? '-0' : `${score}`.toLowerCase(),
    tags,
  ]);

const ITEM_TEXT = `[toString(n), name, toString(score)] AS cells, tags`;
const textOfItem = ({ cells, tags }: { cells: readonly unknown[]; tags: readonly string[] }) =>
  JSON.stringify([...cells, tags]);

/**
 * Plays steps into a table without a key.
 *
 * @returns what it holds after each transaction, by the microsecond of its commit, and how many
 * additions and removals that were
 */
function playItems(table: Table, life: typeof itemSteps extends fc.Arbitrary<infer T> ? T : never) {
  let rows: Item[] = [];
  let changes = 0;
  const held = new Map<number, string[]>();
  for (const { kind, which, item: after, together } of life) {
    if (!together) table.committedAtMicros += 1_000_000;
    const place = rows.length === 0 ? -1 : which % rows.length;
    const before = rows[place];
    if (kind === 'truncate' && table.log.length > 0) {
      table.change({ op: 't' });
      changes += new Set(rows.map(itemText)).size;
      rows = [];
    } else if (kind === 'insert' || before === undefined) {
      table.change({ op: 'c', after: sent(after) });
      changes += 1;
      rows.push(after);
    } else if (kind === 'delete') {
      table.change({ op: 'd', before: sent(before) });
      changes += 1;
      rows.splice(place, 1);
    } else {
      const next = kind === 'same' ? before : after;
      table.change({ op: 'u', before: sent(before), after: sent(next) });
      changes += 2;
      rows.splice(place, 1, next);
    }
    held.set(table.committedAtMicros, rows.map(itemText).sort());
  }
  return { rows: rows.map(itemText).sort(), held, changes };
}

test('without a key, equal rows are counted right, whatever is redelivered, now and at any time', async () => {
  const crashes = fc.array(fc.record({ until: fc.nat(40), back: fc.nat(10) }), { maxLength: 3 });
  const cuts = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 4 });
  await fc.assert(
    fc.asyncProperty(itemSteps, crashes, cuts, async (life, lives, sizes) => {
      const table = new Table(ITEM_COLUMNS, []);
      const { rows, held, changes } = playItems(table, life);
      let next = 0n;
      for (const { until, back } of [...lives, { until: table.log.length, back: 0 }]) {
        const from = new Map([[0, offset(next > BigInt(back) ? next - BigInt(back) : 0n)]]);
        const { committed } = await table.run({ from, cuts: sizes, until });
        next = committed.get(0) ?? next;
      }
      const shown = async () => {
        const found = await table.query<{ cells: string[]; tags: string[] }>(
          `SELECT ${ITEM_TEXT} FROM {view}`,
        );
        return found.map(textOfItem).sort();
      };
      expect(await shown()).toEqual(rows);
      const [log] = await table.query<{ n: number }>(
        'SELECT toInt32(count()) AS n FROM {log} FINAL',
      );
      expect(log?.n).toBe(changes);
      const periods = await table.query<{
        cells: string[];
        tags: string[];
        since: string;
        until: string | null;
      }>(
        `SELECT ${ITEM_TEXT}, toString(toUnixTimestamp64Micro(valid_from)) AS since,
           toString(toUnixTimestamp64Micro(valid_to)) AS until FROM {history}`,
      );
      for (const [at, texts] of held) {
        const then = periods.filter(
          ({ since, until }) => Number(since) <= at && (until === null || at < Number(until)),
        );
        expect(then.map(textOfItem).sort()).toEqual(texts);
      }
      expect(periods.filter(({ since, until }) => until !== null && since >= until)).toEqual([]);
    }),
    { numRuns: 15, endOnFailure: true },
  );
}, 120_000);

test('without a key, a row stays equal to itself while columns come and widen, and a replay counts once', async () => {
  const columns = (n: AvroSchema, ...more: SampleColumn[]): SampleColumn[] => [
    { name: 'n', type: ['null', n] },
    ...more,
    { name: 'name', type: ['null', 'string'] },
  ];
  const note = { name: 'note', type: ['null', 'string'] as AvroSchema };
  const table = new Table(columns('int'), []);
  const rows = async () =>
    (await table.query<object>('SELECT * FROM {view}')).map((row) => JSON.stringify(row)).sort();
  for (const n of [1, 1, 2]) table.change({ op: 'c', after: { n, name: 'a' } });
  await table.run();
  // The row before the change comes with the columns there are by now.
  table.evolve(columns('int', note), []);
  table.change({ op: 'd', before: { n: 1, note: null, name: 'a' } });
  table.change({ op: 'c', after: { n: 1, note: 'n', name: 'a' } });
  await table.run();
  expect(await rows()).toEqual([
    '{"n":1,"note":"n","name":"a"}',
    '{"n":1,"note":null,"name":"a"}',
    '{"n":2,"note":null,"name":"a"}',
  ]);
  table.evolve(columns('string', note), []);
  table.change({
    op: 'u',
    before: { n: '1', note: null, name: 'a' },
    after: { n: 'x', note: 'n', name: 'a' },
  });
  table.change({ op: 'd', before: { n: '1', note: 'n', name: 'a' } });
  // One text after the other they are the same.
  const [one, other] = [
    { n: '9', name: '', note: 'x' },
    { n: '9', name: '`note`x', note: null },
  ];
  table.change({ op: 'c', after: one });
  table.change({ op: 'c', after: other });
  table.change({ op: 'd', before: one });
  for (let time = 0; time < 2; time += 1) {
    table.replay(2, {
      op: 'c',
      after: { n: '3', note: null, name: 'c' },
      sequence: '["1002","1"]',
    });
    await table.run();
  }
  expect(await rows()).toEqual([
    '{"n":"2","note":null,"name":"a"}',
    '{"n":"3","note":null,"name":"c"}',
    '{"n":"9","note":null,"name":"`note`x"}',
    '{"n":"x","note":"n","name":"a"}',
  ]);
});

test('a table without a key halts on a change that does not tell the row before it, and when it gets one', async () => {
  const table = new Table(ITEM_COLUMNS, []);
  const row = sent({ n: 1, name: 'a', score: 1, tags: [] });
  table.change({ op: 'c', after: row });
  expect((await table.run()).halted).toBe(false);
  table.change({ op: 'd', before: null });
  expect((await table.run()).halted).toBe(true);
  table.log.pop();
  table.evolve(ITEM_COLUMNS, ['n']);
  table.change({ op: 'd', before: row });
  expect((await table.run()).halted).toBe(true);
  expect(await table.query('SELECT name FROM {view}')).toEqual([{ name: 'a' }]);
});

test('without a key, a copy of the table puts counts right, what comes after it counts on top, and what it has does not', async () => {
  const table = new Table([{ name: 'name', type: ['null', 'string'] }], []);
  const names = async () =>
    (await table.query<{ name: string }>('SELECT name FROM {view} ORDER BY name')).map(
      ({ name }) => name,
    );
  for (const name of ['a', 'a', 'b', 'b']) table.change({ op: 'c', after: { name } });
  // It never came, so that the sum is below 0.
  table.change({ op: 'd', before: { name: 'd' } });
  await table.run();
  expect(await names()).toEqual(['a', 'a', 'b', 'b']);
  const storage = `shop__${table.name}`;
  const [epoch, readAt] = [1 as Epoch, '2026-01-01 00:00:00.000000'];
  const copy = async (...rows: string[]) => {
    const staged = new StagedCopy(client, storage, await storedColumns(client, storage), ['name']);
    await staged.create();
    await staged.insert(['name'], Buffer.from(rows.map((row) => `${row}\n`).join('')));
    const corrections = await staged.apply(epoch, readAt);
    await staged.drop();
    return corrections;
  };
  expect(await copy('a', 'b', 'b', 'c', 'c', 'd')).toEqual({ written: 4, removed: 1 });
  expect(await names()).toEqual(['a', 'b', 'b', 'c', 'c', 'd']);
  expect(await copy('a', 'b', 'b', 'c', 'c', 'd')).toEqual({ written: 4, removed: 1 });
  expect(await names()).toEqual(['a', 'b', 'b', 'c', 'c', 'd']);

  await createLedger(client).write({
    topic: table.topic,
    epoch,
    source: 'shop',
    schema: 'public',
    table: table.name,
    state: 'done',
    from: new Map([[0, offset(5n)]]),
    until: new Map([[0, offset(5n)]]),
    snapshot: '8:8:',
    reason: 'test',
    startedAt: 0,
    readAt,
    rowsRead: 6,
    rowsWritten: 4,
    rowsRemoved: 1,
  });
  table.change({ op: 'd', before: { name: 'b' } });
  table.change({ op: 'c', after: { name: 'e' } });
  // An addition that the copy has, and one that it has not.
  table.replay(0, { op: 'c', after: { name: 'c' }, sequence: '["1000","1"]' });
  table.replay(6, { op: 'c', after: { name: 'f' }, sequence: '["1006","1"]' });
  await table.run();
  expect(await names()).toEqual(['a', 'b', 'c', 'c', 'd', 'e', 'f']);
});

test('what waits to be stored is bounded, of all tables together', async () => {
  const table = new Table();
  for (let id = 1; id <= 60; id += 1) {
    table.change({ op: 'c', after: { id, name: 'x'.repeat(1_000), bio: null } });
  }
  const { mostAhead } = await table.run({ cuts: [1], bufferBytes: 5_000 });
  expect(mostAhead).toBeGreaterThan(0);
  // Of some two thousand bytes each; one comes before somebody looks.
  expect(mostAhead).toBeLessThanOrEqual(3);
  expect(await table.query('SELECT toString(count()) AS n FROM {view}')).toEqual([{ n: '60' }]);
});
