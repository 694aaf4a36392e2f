import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { agrees } from '../../pipeline/verify/verify-table.ts';
import { ShopStack } from '../testing/shop-stack.ts';
import { compareSources, describeComparisons } from './compare-sources.ts';

/*
 * Bad things that must end well: each is done to the running system under traffic, and afterwards
 * every row of every service must be in the warehouse, exactly.
 */

/** Several times what the group gives a member of which it does not hear. */
const A_MINUTE_MS = 60_000;

let shop: ShopStack;

beforeAll(async () => {
  shop = await ShopStack.start('faults', 1_000, {
    seed: 7,
  });
});

afterAll(async () => shop.stop());

/** Rows of all service tables together: rises while traffic flows. */
async function sourceRows(): Promise<number> {
  const comparisons = await compareSources(shop.catalog, shop.warehouse);
  return comparisons.reduce((sum, { sourceRows: rows }) => sum + rows, 0);
}

async function expectAgreement(): Promise<void> {
  const comparisons = await shop.compare();
  expect(comparisons.every(agrees), describeComparisons(comparisons)).toBe(true);
  expect(comparisons.length).toBeGreaterThanOrEqual(10);
}

/** Compares every row of every table, with the customers held still. */
async function expectEqual(): Promise<void> {
  await shop.whileTrafficRests(expectAgreement);
}

test('every table of every service is in the warehouse, row by row', async () => {
  await shop.trafficGoesOn();
  await expectEqual();
  expect(await sourceRows()).toBeGreaterThan(100);
});

test('the join across two services runs as in a shared database and returns the right rows', async () => {
  const databases = await shop.databases();
  const read = async (service: 'orders' | 'users', sql: string) => {
    const client = new pg.Client({
      connectionString: databases.get(service)?.ownAdminUrl.reveal(),
    });
    await client.connect();
    const { rows } = await client.query<Record<string, string>>(sql);
    await client.end();
    return rows;
  };
  const paid = () => read('orders', "SELECT id, total, user_id FROM orders WHERE status = 'paid'");
  while ((await paid()).length < 3) await shop.trafficGoesOn();
  await shop.whileTrafficRests(async () => {
    await expectAgreement();
    const result = await shop.warehouse.query({
      query: `SELECT o.id, o.total, u.name, u.email FROM orders.orders o JOIN users.users u ON o.user_id = u.id WHERE o.status = 'paid'`,
      format: 'JSONCompactEachRow',
      clickhouse_settings: { output_format_json_quote_decimals: 1 },
    });
    const joined = await result.json<[string, string, string, string]>();
    const users = new Map(
      (await read('users', 'SELECT id, name, email FROM users')).map((user) => [user['id'], user]),
    );
    const expected = (await paid()).flatMap((order) => {
      const user = users.get(order['user_id']);
      return user === undefined
        ? []
        : [`${order['id']} ${Number(order['total'])} ${user['name']} ${user['email']}`];
    });
    expect(expected.length).toBeGreaterThan(0);
    expect(
      joined.map(([id, total, name, email]) => `${id} ${Number(total)} ${name} ${email}`).sort(),
    ).toEqual(expected.sort());
  });
});

test('the pipeline killed again and again', async () => {
  for (let life = 0; life < 3; life += 1) {
    await shop.trafficGoesOn();
    await shop.stack.process('transformer').kill();
    await shop.stack.process('transformer').healthy();
  }
  await expectEqual();
  // No change is in a change log twice, merged or not: each life went on where the last one ended.
  const result = await shop.warehouse.query({
    query: `SELECT count() AS n, uniqExact(_partition, _offset) AS once FROM changes.inventory__stock_movements`,
    format: 'JSONEachRow',
  });
  const [counts] = await result.json<{ n: string; once: string }>();
  expect(counts?.n).toBe(counts?.once);
});

test('ClickHouse away for a minute', async () => {
  await shop.stack.process('warehouse').stop();
  const stoppedAt = Date.now();
  while (Date.now() - stoppedAt < A_MINUTE_MS) await shop.trafficGoesOn();
  await shop.stack.process('warehouse').start();
  await expectEqual();
});

test('ClickHouse killed in the middle of inserts', async () => {
  await shop.trafficGoesOn();
  await shop.stack.process('warehouse').kill();
  await shop.stack.process('warehouse').healthy();
  await expectEqual();
});

test('Connect killed, and the changes of the time without it arrive', async () => {
  await shop.stack.process('connect').kill();
  await shop.trafficGoesOn();
  await shop.stack.process('connect').healthy();
  await expectEqual();
});

test('the broker killed', async () => {
  await shop.stack.process('kafka').kill();
  await shop.stack.process('kafka').healthy();
  await shop.trafficGoesOn();
  await expectEqual();
});

test('the registry killed, and the database of a service', async () => {
  await shop.stack.process('registry').kill();
  await shop.stack.process('postgres-orders').kill();
  await shop.stack.process('postgres-orders').healthy();
  await shop.stack.process('registry').healthy();
  await shop.trafficGoesOn();
  await expectEqual();
});

test('the pipeline started before broker and registry', async () => {
  await shop.stack.process('transformer').stop();
  await shop.stack.process('connect').stop();
  await shop.stack.process('registry').stop();
  await shop.stack.process('kafka').stop();
  await shop.stack.process('transformer').start();
  await shop.trafficGoesOn();
  await shop.stack.process('kafka').start();
  await shop.stack.process('connect').start();
  // Connect and pipeline run, and neither can reach the registry yet.
  await shop.trafficGoesOn();
  await shop.stack.process('registry').start();
  await expectEqual();
});
