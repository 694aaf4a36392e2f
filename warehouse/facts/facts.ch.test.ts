import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Secret } from '#runtime/config.ts';
import { createLogger } from '#runtime/log.ts';
import { connectWarehouse, type Warehouse } from '../../pipeline/sink/clickhouse-client.ts';
import { createShopTables } from '../../pipeline/testing/shop-tables.ts';
import { migrate } from '../migrate.ts';
import { startEmbeddedWarehouse, type EmbeddedWarehouse } from '../testing/embedded-server.ts';
import { FACTS, ROLLUPS } from '../marts/watch-marts.ts';
import { refreshDayRollup } from './day-rollup.ts';
import type { Fact } from './fact.ts';
import { refreshFact } from './refresh-fact.ts';

/*
 * Whatever happens to the tables, in whatever order, a fact is what a join over all of them gives
 * at that moment. That this join means what the marts say is tested with the marts.
 */

const ROUNDS = 8;
const TIMEOUT_MS = 180_000;
let server: EmbeddedWarehouse;
let client: Warehouse;

beforeAll(async () => {
  server = await startEmbeddedWarehouse();
  client = connectWarehouse(
    { url: server.url, user: 'default', password: new Secret('') },
    'facts-test',
  );
  await migrate(client, {
    log: createLogger('test', 'silent'),
    signal: new AbortController().signal,
  });
});
afterAll(async () => {
  await client.close();
  await server[Symbol.asyncDispose]();
});

const uuid = (kind: string, number: number) =>
  `${kind.repeat(8)}-0000-4000-8000-${String(number).padStart(12, '0')}`;
const TIME = (number: number) => `2026-03-0${number + 1} 10:00:00`;

interface Change {
  readonly table: string;
  readonly key: Readonly<Record<string, unknown>>;
  readonly row: Readonly<Record<string, unknown>>;
  readonly isDelete: boolean;
  /** Commit order of changes of one table; those of a key may come in any. */
  readonly version: number;
}

/** Few keys, so that changes meet. */
const few = fc.integer({ min: 0, max: 5 });
const change = (
  table: string,
  key: fc.Arbitrary<Record<string, unknown>>,
  row: fc.Arbitrary<Record<string, unknown>>,
): fc.Arbitrary<Change> =>
  fc.record({
    table: fc.constant(table),
    key,
    row,
    isDelete: fc.integer({ min: 0, max: 4 }).map((one) => one === 0),
    version: fc.integer({ min: 1, max: 1_000_000 }),
  });
const changes = fc.oneof(
  change(
    'orders__orders',
    few.map((one) => ({ id: uuid('b', one) })),
    fc.record({
      order_number: few,
      user_id: few.map((one) => uuid('a', one)),
      status: fc.constantFrom('pending', 'paid', 'cancelled'),
      total: few,
      currency: fc.constantFrom('EUR', 'USD'),
      placed_at: few.map(TIME),
      paid_at: fc.option(few.map(TIME)),
      cancel_reason: fc.option(fc.constantFrom('late', 'no stock')),
    }),
  ),
  change(
    'users__users',
    few.map((one) => ({ id: uuid('a', one) })),
    fc.record({ name: fc.constantFrom('Ann', 'Bob'), country: fc.constantFrom('DE', 'US') }),
  ),
  change(
    'orders__order_lines',
    fc.record({ order_id: few.map((one) => uuid('b', one)), line_no: fc.constantFrom(1, 2) }),
    fc.record({ product_id: few.map((one) => uuid('c', one)), quantity: few, line_total: few }),
  ),
  change(
    'payments__payments',
    few.map((one) => ({ id: one })),
    fc.record({
      order_id: few.map((one) => uuid('b', one)),
      amount: few,
      refunded_amount: few,
      method: fc.constantFrom('card', 'wallet'),
      status: fc.constantFrom('captured', 'failed'),
      captured_at: fc.option(few.map(TIME)),
    }),
  ),
  change(
    'inventory__reservations',
    fc.record({ order_id: few.map((one) => uuid('b', one)), line_no: fc.constantFrom(1, 2) }),
    fc.record({ status: fc.constantFrom('held', 'shipped', 'released') }),
  ),
  change(
    'orders__sagas',
    few.map((one) => ({ id: uuid('d', one) })),
    fc.record({
      order_id: few.map((one) => uuid('b', one)),
      // One of a kind for an order, as the service keeps it: else a join would double the order.
      kind: fc.constant('ship-order'),
      state: fc.constantFrom('running', 'completed'),
      reason: fc.option(fc.constantFrom('late', 'no stock')),
      created_at: few.map(TIME),
      ended_at: fc.option(few.map(TIME)),
    }),
  ),
  change(
    'orders__saga_steps',
    fc.record({
      saga_id: few.map((one) => uuid('d', one)),
      step: fc.constant('charge'),
      direction: fc.constantFrom('do', 'undo'),
    }),
    fc.record({ state: fc.constantFrom('started', 'done', 'refused'), attempts: few }),
  ),
);

/** As the pipeline does: a delete carries the key alone, and the change log comes second. */
async function store(batch: readonly Change[]): Promise<void> {
  for (const table of new Set(batch.map((one) => one.table))) {
    const values = batch
      .filter((one) => one.table === table)
      .map(({ key, row, isDelete, version }) => ({
        ...key,
        ...(isDelete ? { _deleted: 1 } : row),
        _version: String(version),
      }));
    for (const database of ['current', 'changes']) {
      await client.insert({
        table: `${database}.${table}`,
        values,
        format: 'JSONEachRow',
        clickhouse_settings: { date_time_input_format: 'best_effort' },
      });
    }
  }
}

async function answer(query: string): Promise<unknown[]> {
  const result = await client.query({ query, format: 'JSONCompactEachRow' });
  return result.json();
}

async function refresh(done: 'nothing' | 'some' | 'all'): Promise<void> {
  for (const fact of FACTS) expect(await refreshFact(client, fact)).toMatchObject({ done });
}

async function expectRight({ name, rows }: Fact): Promise<void> {
  const kept = await answer(
    `SELECT * EXCEPT (_version, _deleted) FROM facts.${name} FINAL ORDER BY ALL`,
  );
  expect(kept).toEqual(await answer(`SELECT * FROM (${rows(() => '1')}) ORDER BY ALL`));
}

/** What each rollup has to hold, from all of its fact at once, with the day in front. */
const ADDED_UP: Readonly<Record<string, string>> = {
  revenue_days: `
    SELECT toDate(assumeNotNull(paid_at)) AS day, product, argMax(name, tuple(paid_at, order_id)),
           ifNull(buyer_country, 'unknown') AS country, currency, uniqExact(order_id), sum(pieces), sum(amount)
    FROM facts.orders FINAL
    ARRAY JOIN line_products AS product, line_names AS name, line_quantities AS pieces, line_totals AS amount
    WHERE isNotNull(paid_at)
    GROUP BY day, product, country, currency`,
  order_days: `
    SELECT toDate(placed_at) AS day, toDate(paid_at) AS paid_day, status, currency,
           ifNull(buyer_country, 'unknown') AS country, ifNull(payment_method, 'unknown') AS method, cancel_reason,
           count(), sum(total), sum(refunded)
    FROM facts.orders FINAL
    GROUP BY day, paid_day, status, currency, country, method, cancel_reason`,
  saga_days: `
    SELECT toDate(assumeNotNull(ended_at)) AS day, kind, state, reason, assumeNotNull(duration_ms), count()
    FROM facts.sagas FINAL
    WHERE isNotNull(ended_at)
    GROUP BY day, kind, state, reason, duration_ms`,
};

async function expectRightDays(): Promise<void> {
  for (const { name } of ROLLUPS) {
    const kept = await answer(
      `SELECT day, untuple(entry) FROM facts.${name} FINAL ARRAY JOIN entries AS entry ORDER BY ALL`,
    );
    expect(kept, name).toEqual(await answer(`${ADDED_UP[name]} ORDER BY ALL`));
  }
}

async function refreshRollups(): Promise<void> {
  for (const rollup of ROLLUPS) await refreshDayRollup(client, rollup);
}

async function freshTables(): Promise<void> {
  for (const database of ['current', 'changes', 'history']) {
    await client.command({ query: `DROP DATABASE IF EXISTS ${database} SYNC` });
  }
  await createShopTables(client);
}

test(
  'after any changes, in any order, merged or not, a fact is what its tables say',
  async () => {
    await freshTables();
    await refresh('all');
    const step = fc.record({
      batch: fc.array(changes, { minLength: 5, maxLength: 20 }),
      isMerged: fc.boolean(),
    });
    for (const { batch, isMerged } of fc.sample(step, { numRuns: ROUNDS, seed: 12 })) {
      await store(batch);
      if (isMerged) {
        for (const table of new Set(batch.map((one) => one.table))) {
          await client.command({ query: `OPTIMIZE TABLE current.${table} FINAL` });
        }
      }
      for (const fact of FACTS) {
        await refreshFact(client, fact);
        await expectRight(fact);
      }
      await refreshRollups();
      await expectRightDays();
    }
    for (const rollup of ROLLUPS) {
      expect(await answer(`SELECT uniq(day) > 1 FROM facts.${rollup.name} FINAL`)).toEqual([[1]]);
      expect(await refreshDayRollup(client, rollup)).toBe(0);
    }
    for (const { name } of FACTS) {
      expect(await answer(`SELECT count() > 1 FROM facts.${name} FINAL`)).toEqual([[1]]);
    }
    await refresh('nothing');
  },
  TIMEOUT_MS,
);

test(
  'refreshers that run at once do not undo one another',
  async () => {
    await freshTables();
    await refresh('all');
    await refreshRollups();
    const batches = fc.sample(fc.array(changes, { minLength: 5, maxLength: 20 }), {
      numRuns: ROUNDS,
      seed: 8,
    });
    for (const batch of batches) {
      await Promise.all([
        ...FACTS.map(async (fact) => refreshFact(client, fact)),
        store(batch),
        ...FACTS.map(async (fact) => refreshFact(client, fact)),
        ...[...ROLLUPS, ...ROLLUPS].map(async (rollup) => refreshDayRollup(client, rollup)),
      ]);
    }
    for (const fact of FACTS) {
      await refreshFact(client, fact);
      await expectRight(fact);
    }
    await refreshRollups();
    await expectRightDays();
  },
  TIMEOUT_MS,
);

test(
  'thousands of rows that changed at once are followed',
  async () => {
    await freshTables();
    await refresh('all');
    await refreshRollups();
    const many = 3_000;
    const days = 75;
    const at = `toDateTime64('2026-01-01', 6, 'UTC') + INTERVAL number % ${days} DAY`;
    await client.command({
      query: `INSERT INTO current.orders__orders (id, order_number, user_id, total, placed_at, paid_at, _version)
            SELECT generateUUIDv4(number), number, generateUUIDv4(number + ${many}), number % 9, ${at}, ${at} + INTERVAL 1 DAY, 1
            FROM numbers(${many})`,
    });
    await client.command({
      query: `INSERT INTO current.orders__order_lines (order_id, line_no, product_id, quantity, line_total, _version)
            SELECT id, line_no, toUUID('${uuid('c', 1)}'), line_no, 1, 1
            FROM current.orders__orders ARRAY JOIN [1, 2] AS line_no`,
    });
    await client.command({
      query: `INSERT INTO current.orders__sagas (id, order_id, kind, created_at, ended_at, _version)
            SELECT generateUUIDv4(number), id, 'place-order', ${at}, ${at} + INTERVAL number SECOND, 1
            FROM (SELECT id, order_number AS number FROM current.orders__orders)`,
    });
    for (const fact of FACTS) {
      expect(await refreshFact(client, fact)).toEqual({ done: 'some', keys: many });
      await expectRight(fact);
    }
    for (const rollup of ROLLUPS) expect(await refreshDayRollup(client, rollup)).toBe(days);
    await expectRightDays();
  },
  TIMEOUT_MS,
);

test('tables that were made anew make a fact anew', async () => {
  for (const fact of FACTS) await refreshFact(client, fact);
  await freshTables();
  await refresh('all');
  for (const { name } of FACTS) {
    expect(await answer(`SELECT count() FROM facts.${name} FINAL`)).toEqual([[0]]);
  }
});
