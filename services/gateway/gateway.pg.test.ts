import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { createLogger } from '#runtime/log.ts';
import { startPostgres, type PostgresServer } from '../../pipeline/testing/postgres-server.ts';
import { openDoor, type Door } from '../testing/door.ts';
import { addProduct, addUser, openShop, type TestShop } from '../testing/test-shop.ts';
import { startGateway, type RunningGateway } from './app.ts';

let server: PostgresServer;
let shop: TestShop;
let doors: { users: Door; catalog: Door; orders: Door };
let gateway: RunningGateway;
const products: string[] = [];

beforeAll(async () => {
  server = await startPostgres();
  shop = await openShop(async (name) => (await server.createDatabase(name)).url);
  doors = {
    users: await openDoor(() => shop.users.url),
    catalog: await openDoor(() => shop.catalog.url),
    orders: await openDoor(() => shop.orders.url),
  };
  gateway = await startGateway(
    {
      port: 0,
      listenHost: '127.0.0.1',
      logLevel: 'silent',
      usersUrl: doors.users.url,
      catalogUrl: doors.catalog.url,
      ordersUrl: doors.orders.url,
    },
    createLogger('test', 'silent'),
  );
  for (let index = 0; index < 4; index += 1) products.push(await addProduct(shop, '2.50', 1_000));
  for (let index = 0; index < 12; index += 1) {
    await place(await addUser(shop, `Buyer ${index}`));
  }
});
afterAll(async () => {
  await gateway.stop();
  Object.values(doors).forEach((door) => door.close());
  await shop[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});
beforeEach(() => {
  for (const door of Object.values(doors)) Object.assign(door, { calls: 0, held: false });
});

async function place(user: string): Promise<string> {
  const lines = products.map((product_id) => ({ product_id, quantity: 1 }));
  return String((await shop.orders.must('POST', '/orders', { user_id: user, lines }))['id']);
}

interface ShownPage {
  items: {
    user_name: string;
    user_email: string;
    user: { name: string; unknown?: string };
    lines: { product_name: string; product: { name: string; unknown?: string } }[];
  }[];
  unavailable: string[];
  next_cursor: string | null;
}

async function ask(path: string, signal?: AbortSignal): Promise<Response> {
  return fetch(`http://127.0.0.1:${gateway.port}${path}`, signal === undefined ? {} : { signal });
}

async function page(query: string): Promise<ShownPage> {
  const answer = await ask(`/orders?${query}`);
  expect(answer.status).toBe(200);
  return (await answer.json()) as ShownPage;
}

test.each([1, 5, 12])('joins a page of %i by one call to each service', async (limit) => {
  const { items, unavailable } = await page(`limit=${limit}`);
  expect(items).toHaveLength(limit);
  expect(unavailable).toEqual([]);
  for (const { user, user_name, lines } of items) {
    expect(user.name).toBe(user_name);
    expect(lines).toHaveLength(4);
    for (const line of lines) expect(line.product.name).toBe(line.product_name);
  }
  expect([doors.orders.calls, doors.users.calls, doors.catalog.calls]).toEqual([1, 1, 1]);
});

test('goes on where the page before ended, and passes the refusal of a bad cursor on', async () => {
  const first = await page('limit=7');
  const rest = await page(`limit=7&cursor=${String(first.next_cursor)}`);
  expect(new Set([...first.items, ...rest.items].map(({ user }) => user.name)).size).toBe(12);
  expect((await ask('/orders?cursor=bm90IG91cnM')).status).toBe(400);
  expect((await ask('/orders?limit=31')).status).toBe(400);
});

test('shows a deleted user as Unknown', async () => {
  const user = await addUser(shop, 'Short Stay');
  const order = await place(user);
  await shop.users.must('DELETE', `/users/${user}`);
  const shown = (await (await ask(`/orders/${order}`)).json()) as ShownPage['items'][number];
  expect(shown).toMatchObject({
    user_name: 'Short Stay',
    user: { id: user, name: 'Unknown', unknown: 'not-found' },
    unavailable: [],
  });
});

test('answers the page with the copies of orders while users does not answer', async () => {
  doors.users.held = true;
  const arrival = doors.users.holding();
  const { items, unavailable } = await page('limit=3');
  // The gateway's deadline is the call's too: nobody is left waiting for it.
  await (
    await arrival
  ).hungUp;
  expect(unavailable).toEqual(['users']);
  expect(items).toHaveLength(3);
  for (const { user, user_name: name, user_email: email } of items) {
    expect(user).toMatchObject({ name, email, stale: true });
  }
  expect(items[0]?.lines[0]?.product.unknown).toBeUndefined();
});

test('answers 503 when orders itself does not answer in time', async () => {
  doors.orders.held = true;
  const answer = await ask('/orders');
  expect(answer.status).toBe(503);
  expect(await answer.json()).toMatchObject({ dependency: 'orders' });
});

test('ends its calls when the caller hangs up', async () => {
  doors.catalog.held = true;
  const caller = new AbortController();
  const arrival = doors.catalog.holding();
  const asked = ask('/orders', caller.signal).catch((error: unknown) => error);
  const { hungUp } = await arrival;
  const began = performance.now();
  caller.abort();
  expect(await asked).toBeInstanceOf(Error);
  await hungUp;
  // By the gateway's own deadline it would have taken 1.5 s.
  expect(performance.now() - began).toBeLessThan(1_000);
});
