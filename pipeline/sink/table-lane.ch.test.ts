import { setImmediate as nextTurn, setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Secret } from '#runtime/config.ts';
import { TributaryError } from '#runtime/errors.ts';
import { createLogger } from '#runtime/log.ts';
import { migrate } from '../../warehouse/migrate.ts';
import {
  startEmbeddedWarehouse,
  type EmbeddedWarehouse,
} from '../../warehouse/testing/embedded-server.ts';
import type { AvroSchema } from '../avro/avro-schema.ts';
import { NO_COLUMN_RULES } from '../catalog/column-rules.ts';
import { EpochTimeline } from '../change/epoch-timeline.ts';
import { offset } from '../change/offset.ts';
import { RecordTranslator } from '../record-translator.ts';
import { encodeChange, envelopeSchema } from '../testing/sample-envelope.ts';
import type { TablePlan } from '../transform/table-plan.ts';
import type { Work } from './batch.ts';
import { connectWarehouse, type Warehouse } from './clickhouse-client.ts';
import { createClickHouseSink } from './clickhouse-sink.ts';
import { BufferBudget } from './buffer-budget.ts';
import { InsertBudget } from './insert-budget.ts';
import type { Sink } from './sink.ts';
import { TableLane } from './table-lane.ts';

const COLUMNS = [{ name: 'id', type: 'int' as const }];
const log = createLogger('test', 'silent');
const signal = new AbortController().signal;
let server: EmbeddedWarehouse;
let client: Warehouse;

beforeAll(async () => {
  server = await startEmbeddedWarehouse();
  client = connectWarehouse(
    { url: server.url, user: 'default', password: new Secret('') },
    'lane test',
  );
  await migrate(client, { log, signal });
});

afterAll(async () => {
  await client.close();
  await server[Symbol.asyncDispose]();
});

/** Changes of a table as work for its lane: the first `count`, one new row each. */
async function changesOf(table: string, count: number): Promise<Work[]> {
  const value = envelopeSchema(table, COLUMNS);
  const schemas: AvroSchema[] = [value, { type: 'record', name: 'Key', fields: COLUMNS }];
  const translator = new RecordTranslator({
    registry: { schema: async (id) => schemas[id] },
    source: 'shop',
    rules: NO_COLUMN_RULES,
    columnNames: { of: async () => ({ names: new Map(), gone: new Set() }) },
    log,
    signal,
  });
  const key = Buffer.from([0, 0, 0, 0, 1]);
  const works: Work[] = [];
  for (let id = 0; id < count; id += 1) {
    const record = {
      topic: `shop.public.${table}`,
      partition: 0,
      offset: offset(BigInt(id)),
      key,
      value: encodeChange(value, 0, table, { op: 'c', after: { id } }),
    };
    await translator.makeReady(record);
    const work = translator.translate(record, new EpochTimeline([]));
    if (work === undefined) throw new Error('its schemas are not there');
    works.push(work);
  }
  return works;
}

/** A lane, how many rows each of its inserts had, a promise of the first, and how often it said that it has room. */
function laneOf(
  budget: InsertBudget,
  {
    sink = createClickHouseSink(client),
    buffer = new BufferBudget(1_000_000),
  }: { sink?: Sink; buffer?: BufferBudget } = {},
) {
  const inserts: number[] = [];
  let onFirst: () => void = () => undefined;
  const first = new Promise<void>((resolve) => (onFirst = resolve));
  const halted: unknown[] = [];
  let rooms = 0;
  const lane = new TableLane({
    sink,
    deadLetters: { write: async () => undefined },
    limits: { maxRows: 1_000, maxBytes: 1_000_000 },
    budget,
    buffer,
    flushIntervalMs: 0,
    log,
    signal,
    onAcknowledged: () => undefined,
    onStored: (_plan: TablePlan, rows) => {
      inserts.push(rows.length);
      onFirst();
    },
    onRoom: () => (rooms += 1),
    onHalted: (error) => halted.push(error),
  });
  return { lane, inserts, first, halted, rooms: () => rooms };
}

test('a table that ClickHouse refuses for now holds up no other, even with one insert at a time', async () => {
  const budget = new InsertBudget(1);
  const buffer = new BufferBudget(1_500);
  const [full, other] = [laneOf(budget, { buffer }), laneOf(budget, { buffer })];
  const changes = await changesOf('full', 3);
  full.lane.enqueue(changes.slice(0, 1));
  await full.first;
  // Now it has too many parts: each insert fails with an error that another attempt may mend.
  await client.command({ query: 'SYSTEM STOP MERGES current.shop__full' });
  await client.command({
    query: 'ALTER TABLE current.shop__full MODIFY SETTING parts_to_throw_insert = 1',
  });
  full.lane.enqueue(changes.slice(1));
  expect(buffer.isOver).toBe(true);
  await nextTurn();

  other.lane.enqueue(await changesOf('other', 1));
  await other.first;
  expect(full.inserts).toEqual([1]);
  // Nobody waits until it holds less, but it gets no more.
  expect([buffer.isOver, full.lane.isFull, other.lane.isFull]).toEqual([false, true, false]);

  await client.command({
    query: 'ALTER TABLE current.shop__full MODIFY SETTING parts_to_throw_insert = 3000',
  });
  await full.lane.drain();
  expect(full.inserts).toEqual([1, 2]);
  expect(full.lane.isFull).toBe(false);
  expect([...full.halted, ...other.halted]).toEqual([]);
});

test('what comes while a lane waits for its turn goes with its insert', async () => {
  const budget = new InsertBudget(1);
  const before = budget.newTurn();
  await before.take();
  const { lane, inserts } = laneOf(budget);
  for (const change of await changesOf('waiting', 5)) {
    lane.enqueue([change]);
    // Long enough for a lane that does not wait to have cut its batch.
    await delay(1);
  }
  before.giveBack();
  await lane.drain();
  expect(inserts).toEqual([5]);
});

test('a table that is halted while it stores takes nothing more over', async () => {
  const sink = createClickHouseSink(client);
  const { lane, inserts } = laneOf(new InsertBudget(1), {
    sink: {
      ...sink,
      insert: async (block, token) => {
        lane.halt();
        await sink.insert(block, token);
      },
    },
  });
  const changes = await changesOf('halted', 2);
  lane.enqueue(changes.slice(0, 1));
  await lane.drain();
  lane.enqueue(changes.slice(1));
  await lane.drain();
  expect(inserts).toEqual([1]);
  expect(lane.isHalted).toBe(true);
});

test('a table that could not be made at first gets more as soon as it is', async () => {
  const sink = createClickHouseSink(client);
  let attempts = 0;
  const { lane, rooms } = laneOf(new InsertBudget(1), {
    sink: {
      ...sink,
      prepare: async (plan) => {
        attempts += 1;
        if (attempts === 1) throw new TributaryError('SINK_UNAVAILABLE', 'ClickHouse is away');
        return sink.prepare(plan);
      },
    },
  });
  const [change] = await changesOf('late', 1);
  if (change?.kind !== 'row') throw new Error('no row');
  const ready = lane.prepare(change.plan);
  await nextTurn();
  expect([lane.isFull, rooms()]).toEqual([true, 0]);
  await ready;
  expect([lane.isFull, rooms()]).toEqual([false, 1]);
});
