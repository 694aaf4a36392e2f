import { afterAll, beforeAll, expect, test } from 'vitest';
import { startPostgres, type PostgresServer } from '../../pipeline/testing/postgres-server.ts';
import { readAll } from '../testing/service-harness.ts';
import { openShop, type TestShop } from '../testing/test-shop.ts';
import { readKnownShop } from './known-shop.ts';
import { runAtPace } from './pacer.ts';
import { planActions } from './planner.ts';
import { seedShop } from './seed-shop.ts';
import { ShopClient } from './shop-client.ts';
import { Shopper, type Outcome } from './shopper.ts';

let server: PostgresServer;
let shop: TestShop;
beforeAll(async () => {
  server = await startPostgres();
  shop = await openShop(async (name) => (await server.createDatabase(name)).url);
});
afterAll(async () => {
  await shop[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

function newClient(): ShopClient {
  const { users, catalog, inventory, orders, payments } = shop;
  return new ShopClient(
    {
      users: users.url,
      catalog: catalog.url,
      inventory: inventory.url,
      orders: orders.url,
      payments: payments.url,
    },
    new AbortController().signal,
  );
}

async function trade(count: number, seed: number, runId: string): Promise<Record<Outcome, number>> {
  const client = newClient();
  const shopper = new Shopper(client, await readKnownShop(client), runId);
  const plan = planActions(seed);
  const counts = { done: 0, refused: 0, away: 0, skipped: 0 };
  const signal = new AbortController().signal;
  await runAtPace({ rate: 60, limit: count, signal }, async () => {
    const outcome = await shopper.perform(plan.next().value);
    counts[outcome] += 1;
    return outcome;
  });
  return counts;
}

test('stocks the shop once: a second start writes nothing', async () => {
  await seedShop(newClient());
  const again = newClient();
  await seedShop(again);
  expect(again.writes()).toEqual({ users: 0, catalog: 0, inventory: 0, orders: 0, payments: 0 });
  expect(await readAll(shop.catalog, '/products?limit=200&status=published')).toHaveLength(50);
  expect(await readAll(shop.users, '/users?limit=200')).toHaveLength(20);
});

test('trades with the real services, twice with one seed, and little is refused', async () => {
  await seedShop(newClient());
  for (const runId of ['first', 'second']) {
    const counts = await trade(250, 5, runId);
    // Not zero: on a machine that is very busy some answer may come too late.
    expect(counts.away).toBeLessThan(10);
    expect(counts.done + counts.refused).toBe(250);
    expect(counts.refused).toBeLessThan(30);
  }
  const orders = await readAll(shop.orders, '/orders?limit=200');
  const statuses = new Set(orders.map((order) => order['status']));
  expect([...statuses]).toEqual(
    expect.arrayContaining(['cancelled', 'paid', 'shipped', 'refunded']),
  );
});
