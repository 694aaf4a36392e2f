import { NO_COLUMN_RULES } from './catalog/column-rules.ts';
import avro from 'avsc';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { dispositionOf, TributaryError } from '#runtime/errors.ts';
import { createLogger } from '#runtime/log.ts';
import type { AvroSchema } from './avro/avro-schema.ts';
import { EpochTimeline } from './change/epoch-timeline.ts';
import { offset } from './change/offset.ts';
import type { RecordHeaders } from './change/record-headers.ts';
import { REPLAY_HEADER } from './change/replay.ts';
import { RecordTranslator } from './record-translator.ts';
import type { Work } from './sink/batch.ts';
import { encodeChange, envelopeSchema } from './testing/sample-envelope.ts';
import { packVersion } from './change/version.ts';

const semantic = (type: string, name: string): AvroSchema => ({ type, 'connect.name': name });
const COLUMNS = [
  { name: 'id', type: 'long' },
  { name: 'tags', type: { type: 'array', items: ['null', 'string'] } },
  { name: 'map', type: ['null', { type: 'map', values: 'string' }] },
  { name: 'on', type: ['null', semantic('int', 'io.debezium.time.Date')] },
  { name: 'at', type: ['null', semantic('long', 'io.debezium.time.MicroTimestamp')] },
] as const;
const ENVELOPE = envelopeSchema('t', COLUMNS);
const KEY: AvroSchema = { type: 'record', name: 'Key', fields: [{ name: 'id', type: 'long' }] };
/** What somebody else may have registered: the fields of an envelope, of other types. */
const IMPOSTOR: AvroSchema = {
  type: 'record',
  name: 'Impostor',
  fields: ['before', 'after', 'source', 'op'].map((name) => ({ name, type: ['null', 'string'] })),
};
const SCHEMAS: readonly AvroSchema[] = [ENVELOPE, KEY, IMPOSTOR, 'string'];

const translator = new RecordTranslator({
  registry: {
    async schema(id) {
      const schema = SCHEMAS[id];
      if (schema === undefined) throw new TributaryError('SCHEMA_UNKNOWN', 'no such schema');
      return schema;
    },
  },
  source: 'shop',
  rules: NO_COLUMN_RULES,
  columnNames: { of: async () => ({ names: new Map(), gone: new Set() }) },
  log: createLogger('test', 'silent'),
  signal: new AbortController().signal,
});

async function translate(
  value: Buffer | null,
  key: Buffer | null = wire(1, Buffer.from([2])),
  headers?: RecordHeaders,
): Promise<Work | TributaryError> {
  const record = { topic: 'shop.public.t', partition: 0, offset: offset(7n), key, value, headers };
  try {
    await translator.makeReady(record);
    const work = translator.translate(record, new EpochTimeline([]));
    if (work === undefined) throw new Error('its schemas are not there');
    return work;
  } catch (error) {
    if (error instanceof TributaryError && dispositionOf(error) === 'dead-letter') return error;
    throw error;
  }
}

function wire(schemaId: number, body: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from([0, 0, 0, 0, schemaId]), body]);
}

const bytes = fc.uint8Array({ maxLength: 200 }).map((array) => Buffer.from(array));
const framed = fc.tuple(fc.nat(4), bytes).map(([id, body]) => wire(id, body));
const change = encodeChange(ENVELOPE, 0, 't', {
  op: 'c',
  after: { id: 1, tags: ['a', null, 'b'], map: { k: 'v' }, on: 3, at: 5 },
});
const damaged = fc
  .array(fc.tuple(fc.nat(change.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 })
  .map((flips) => {
    const copy = Buffer.from(change);
    for (const [at, byte] of flips) copy[at] = byte;
    return copy;
  });

test('whatever bytes come as key and value, a record is work or a dead letter, at once', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(bytes, framed, damaged, damaged),
      fc.oneof({ weight: 1, arbitrary: framed }, { weight: 3, arbitrary: fc.constant(undefined) }),
      async (value, key) => {
        const began = performance.now();
        await translate(value, key);
        expect(performance.now() - began).toBeLessThan(1_000);
      },
    ),
    { numRuns: 3_000 },
  );
});

test('whatever a well-formed envelope says, it is work or a dead letter that tells no value', async () => {
  const type = avro.Type.forSchema(ENVELOPE as avro.Schema, { registry: {}, wrapUnions: 'never' });
  const long = fc.integer({ min: -(2 ** 52), max: 2 ** 52 });
  const secret = 'SECRET-4711';
  const row = fc.record({
    id: long,
    tags: fc.array(fc.constantFrom(null, secret), { maxLength: 3 }),
    map: fc.constantFrom(null, { [secret]: secret }),
    on: fc.option(fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 })),
    at: fc.option(long),
  });
  const envelope = fc.record({
    op: fc.oneof(fc.constantFrom('r', 'c', 'u', 'd', 't'), fc.constant(secret)),
    before: fc.option(row),
    after: fc.option(row),
    sequence: fc.oneof(
      fc.constantFrom(null, '["1","2"]', '[null,"2"]', '["99999999999999999999","1"]', secret),
      fc.string(),
    ),
    lsn: fc.option(long),
    ts_us: fc.option(long),
  });
  const [template] = [type.fromBuffer(change.subarray(5)) as Record<string, object>];
  await fc.assert(
    fc.asyncProperty(envelope, async ({ op, before, after, ...source }) => {
      const value = type.toBuffer({
        ...template,
        op,
        before,
        after,
        source: { ...template?.['source'], ...source },
      });
      const outcome = await translate(wire(0, value));
      if (outcome instanceof TributaryError) expect(outcome.message).not.toContain(secret);
    }),
    { numRuns: 1_000 },
  );
});

test("a schema that only has an envelope's field names is a dead letter", async () => {
  const none = Buffer.from([0, 0, 0, 0]);
  expect(await translate(wire(2, none))).toMatchObject({ code: 'ENVELOPE_UNEXPECTED' });
});

test('a value that did not fit a record is a dead letter with its size', async () => {
  const marker = Buffer.from('ff0000000001400000', 'hex');
  expect(await translate(marker)).toMatchObject({
    code: 'RECORD_TOO_LARGE',
    message: expect.stringContaining('20971520 bytes') as unknown,
  });
});

test('a replayed record has the version of the place it first had, and stands where it stands now', async () => {
  const versionAt = async (headers?: RecordHeaders) => {
    const work = await translate(change, undefined, headers);
    if (work instanceof TributaryError || work.kind !== 'row') throw new Error('no row');
    const { version, offset } = work.stamp;
    return { version: packVersion(version), place: offset, lag: work.committedAtMicros };
  };
  const first = await versionAt();
  const replayed = await versionAt({ [REPLAY_HEADER]: Buffer.from('3') });
  expect(first.version - replayed.version).toBe(4n);
  expect([first.place, replayed.place]).toEqual([7n, 7n]);
  // It is late because somebody mended something, which says nothing of the pipeline.
  expect([first.lag === undefined, replayed.lag]).toEqual([false, undefined]);
  for (const bad of ['', '-1', 'x', '1e9']) {
    expect(await translate(change, undefined, { [REPLAY_HEADER]: bad })).toMatchObject({
      code: 'RECORD_MALFORMED',
    });
  }
});

test('what a record is of says the record alone, not the one before it', async () => {
  const planOf = async (table: string, key?: null) => {
    const row = { id: 1, tags: [], map: null, on: null, at: 5 };
    const work = await translate(encodeChange(ENVELOPE, 0, table, { op: 'c', after: row }), key);
    if (work instanceof TributaryError || work.kind !== 'row') throw new Error('no row');
    return [work.plan.table, work.plan.isKeyless];
  };
  expect(await planOf('t')).toEqual(['t', false]);
  expect(await planOf('u')).toEqual(['u', false]);
  expect(await planOf('u', null)).toEqual(['u', true]);
  expect(await planOf('t', null)).toEqual(['t', true]);
  expect(await planOf('t')).toEqual(['t', false]);
});
