import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startPostgres, type PostgresServer } from '../../pipeline/testing/postgres-server.ts';
import { readAll } from '../testing/service-harness.ts';
import {
  addProduct,
  addUser,
  deliverEvents,
  openShop,
  stockOf,
  type TestShop,
} from '../testing/test-shop.ts';

let server: PostgresServer;
let shop: TestShop;
let ordersDatabase: string;
beforeAll(async () => {
  server = await startPostgres();
  shop = await openShop(async (name) => {
    const { url } = await server.createDatabase(name);
    if (name === 'orders') ordersDatabase = url;
    return url;
  });
});
afterAll(async () => {
  await shop[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

const order = (user: string, ...lines: [string, number][]) => ({
  user_id: user,
  lines: lines.map(([product_id, quantity]) => ({ product_id, quantity })),
});

test('takes stock and money when an order is placed and keeps copies of name, email and prices', async () => {
  const user = await addUser(shop, 'Ada Lind');
  const [cheap, dear] = [await addProduct(shop, '0.10'), await addProduct(shop, '1234567.89')];
  const placed = await shop.orders.must('POST', '/orders', {
    ...order(user, [cheap, 3], [dear, 7]),
    shipping_address: { city: 'Uppsala' },
    coupon_codes: ['SPRING'],
  });
  await shop.users.must('PATCH', `/users/${user}`, { name: 'Ada Novák', email: 'new@example.org' });
  await shop.catalog.must('PATCH', `/products/${cheap}`, { price: '99' });
  expect(await shop.orders.must('GET', `/orders/${String(placed['id'])}`)).toMatchObject({
    user_name: 'Ada Lind',
    user_email: expect.stringMatching(/^buyer/) as string,
    status: 'paid',
    buyer_stale: false,
    total: '8641975.53',
    currency: 'EUR',
    order_number: expect.stringMatching(/^\d{7,}$/) as string,
    shipping_address: { city: 'Uppsala' },
    coupon_codes: ['SPRING'],
    requested_delivery: null,
    lines: [
      { line_no: 1, product_id: cheap, unit_price: '0.10', quantity: 3, line_total: '0.30' },
      { line_no: 2, product_id: dear, quantity: 7, line_total: '8641975.23' },
    ],
  });
  expect(await stockOf(shop, cheap)).toEqual([100, 3]);
});

test('places an order once, however often its id is sent', async () => {
  const [user, product] = [await addUser(shop), await addProduct(shop, '5.00')];
  const body = { ...order(user, [product, 2]), id: randomUUID() };
  const answers = await Promise.all(
    Array.from({ length: 4 }, async () => shop.orders.call('POST', '/orders', body)),
  );
  expect(answers.map((answer) => answer.status).sort((a, b) => a - b)).toEqual([
    200, 200, 200, 201,
  ]);
  expect(await stockOf(shop, product)).toEqual([100, 2]);
  const other = { ...body, user_id: await addUser(shop) };
  expect((await shop.orders.call('POST', '/orders', other)).status).toBe(409);
});

test('refuses what cannot be sold and leaves no stock held behind', async () => {
  const user = await addUser(shop);
  const product = await addProduct(shop, '5.00', 3);
  const place = async (body: object) => shop.orders.call('POST', '/orders', body);
  expect(await place(order(user, [product, 4]))).toMatchObject({
    status: 201,
    body: { status: 'cancelled', cancel_reason: 'there is not enough stock', payment_id: null },
  });
  const unknown = randomUUID();
  expect(await place(order(user, [product, 1], [unknown, 1]))).toMatchObject({
    status: 422,
    body: { product_ids: [unknown] },
  });
  expect((await place(order(unknown, [product, 1]))).status).toBe(422);
  const huge = await addProduct(shop, '9999999999.99');
  expect((await place(order(user, [huge, 2], [product, 1]))).status).toBe(422);
  await shop.users.must('PATCH', `/users/${user}`, { status: 'suspended' });
  expect((await place(order(user, [product, 1]))).status).toBe(422);
  expect(await stockOf(shop, product)).toEqual([3, 0]);
  expect(await readAll(shop.orders, `/orders?limit=9&user_id=${user}`)).toHaveLength(1);
});

test('cancels an order whose payment is declined and gives its stock back', async () => {
  const [user, product] = [await addUser(shop), await addProduct(shop, '5.00')];
  const body = {
    ...order(user, [product, 2]),
    payment: { method: 'wallet', details: { simulate: 'decline' } },
  };
  const { id, ...placed } = await shop.orders.must('POST', '/orders', body);
  expect(placed).toMatchObject({ status: 'cancelled', cancel_reason: 'the payment was declined' });
  expect(await stockOf(shop, product)).toEqual([100, 0]);
  const { items } = await shop.orders.must('GET', `/sagas?order_id=${String(id)}`);
  const [{ id: saga } = { id: '' }] = items as { id: string }[];
  const { steps, ...rest } = await shop.orders.must('GET', `/sagas/${saga}`);
  expect(rest).toMatchObject({ state: 'compensated', reason: 'the payment was declined' });
  const timeline = (steps as { step: string; direction: string; state: string }[]).map(
    ({ step, direction, state }) => `${direction} ${step}: ${state}`,
  );
  expect(timeline).toEqual(['do reserve: done', 'do charge: refused', 'undo reserve: done']);
  expect((await shop.orders.call('POST', `/sagas/${saga}/compensate`)).status).toBe(409);
});

test('gives stock and money of a cancelled order back, once', async () => {
  const [user, product] = [await addUser(shop), await addProduct(shop, '5.00')];
  const { id } = await shop.orders.must('POST', '/orders', order(user, [product, 2]));
  const path = `/orders/${String(id)}`;
  for (let index = 0; index < 2; index += 1) {
    expect(await shop.orders.must('POST', `${path}/cancel`, { reason: 'late' })).toMatchObject({
      status: 'refunded',
      cancel_reason: 'late',
      version: 3,
    });
  }
  expect(await stockOf(shop, product)).toEqual([100, 0]);
  expect(await readAll(shop.payments, `/payments?limit=9&order_id=${String(id)}`)).toMatchObject([
    { status: 'refunded', amount: '10.00', refunded_amount: '10.00' },
  ]);
  expect((await shop.orders.call('POST', `${path}/ship`)).status).toBe(409);
  expect((await shop.orders.call('PATCH', path, { gift: true })).status).toBe(409);
});

test('ships a paid order once, which then cannot be cancelled', async () => {
  const [user, product] = [await addUser(shop), await addProduct(shop, '5.00')];
  const { id } = await shop.orders.must('POST', '/orders', order(user, [product, 2]));
  const path = `/orders/${String(id)}`;
  for (let index = 0; index < 2; index += 1) {
    expect(await shop.orders.must('POST', `${path}/ship`)).toMatchObject({ status: 'shipped' });
  }
  expect(await stockOf(shop, product)).toEqual([98, 0]);
  expect((await shop.orders.call('POST', `${path}/cancel`, {})).status).toBe(409);
});

test('marks an order refunded when payments has, and gives back what was not shipped', async () => {
  const [user, product] = [await addUser(shop), await addProduct(shop, '5.00')];
  const place = async () => shop.orders.must('POST', '/orders', order(user, [product, 1]));
  const [kept, shipped, partly] = [await place(), await place(), await place()];
  await shop.orders.must('POST', `/orders/${String(shipped['id'])}/ship`);
  const refund = async (from: Record<string, unknown>, body: object) =>
    shop.payments.must('POST', `/payments/${String(from['payment_id'])}/refunds`, body);
  await refund(kept, {});
  await refund(shipped, {});
  await refund(partly, { amount: '1.00' });
  await deliverEvents(shop);
  const status = async (from: Record<string, unknown>) =>
    (await shop.orders.must('GET', `/orders/${String(from['id'])}`))['status'];
  await expect.poll(async () => status(kept)).toBe('refunded');
  expect([await status(shipped), await status(partly)]).toEqual(['refunded', 'paid']);
  expect(await stockOf(shop, product)).toEqual([99, 1]);
});

test('pages through the orders of a user once while more are placed', async () => {
  const [user, product] = [await addUser(shop), await addProduct(shop, '5.00', 1_000)];
  const ids: unknown[] = [];
  for (let index = 0; index < 9; index += 1) {
    ids.push((await shop.orders.must('POST', '/orders', order(user, [product, 1])))['id']);
  }
  const seen = await readAll(shop.orders, `/orders?limit=2&user_id=${user}`, async () => {
    await shop.orders.must('POST', '/orders', order(user, [product, 1]));
  });
  expect(seen.map((item) => item['id'])).toEqual(ids.toReversed());
});

test('takes orders of buyers it knows while users is down, and marks them', async () => {
  const makeDatabase = async (name: string) => (await server.createDatabase(`${name}_down`)).url;
  await using lonely = await openShop(makeDatabase);
  const [known, unknown] = [await addUser(lonely, 'Ada Lind'), await addUser(lonely)];
  const suspended = await addUser(lonely);
  const product = await addProduct(lonely, '5.00');
  await lonely.users.must('PATCH', `/users/${suspended}`, { status: 'suspended' });
  await deliverEvents(lonely, { except: [unknown] });
  await lonely.users.running.stop();
  expect(await lonely.orders.must('POST', '/orders', order(known, [product, 1]))).toMatchObject({
    status: 'paid',
    user_name: 'Ada Lind',
    buyer_stale: true,
  });
  const answer = await lonely.orders.call('POST', '/orders', order(unknown, [product, 1]));
  expect(answer).toMatchObject({
    status: 503,
    body: { type: 'urn:tributary:problem:dependency-unavailable', dependency: 'users' },
  });
  expect(answer.headers.get('retry-after')).toBe('1');
  const refused = await lonely.orders.call('POST', '/orders', order(suspended, [product, 1]));
  expect(refused.status).toBe(422);
  expect(await stockOf(lonely, product)).toEqual([100, 1]);
  expect((await lonely.orders.call('GET', '/orders')).status).toBe(200);
  expect((await lonely.orders.call('GET', '/health/ready')).status).toBe(200);
});

test('has name and email of the newest change, in whatever order the events come', async () => {
  const product = await addProduct(shop, '1.00', 1_000);
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.constantFrom('name', 'email', 'order'), { minLength: 1, maxLength: 6 }),
      fc.infiniteStream(fc.nat()),
      async (actions, shuffle) => {
        const user = await addUser(shop, 'First');
        for (const [index, action] of actions.entries()) {
          if (action === 'order') {
            await shop.orders.must('POST', '/orders', order(user, [product, 1]));
          } else {
            const value = action === 'name' ? `Name ${index}` : `${randomUUID()}@example.org`;
            await shop.users.must('PATCH', `/users/${user}`, { [action]: value });
          }
        }
        // Each of them twice, in any order.
        await deliverEvents(shop, {
          only: [user],
          times: 2,
          shuffle: () => Number(shuffle.next().value),
        });
        const { name, email } = await shop.users.must('GET', `/users/${user}`);
        const orders = await readAll(shop.orders, `/orders?limit=50&user_id=${user}`);
        for (const placed of orders) {
          expect(placed).toMatchObject({ user_name: name, user_email: email });
        }
      },
    ),
    { numRuns: 25 },
  );
});

test('forgets who somebody was that is erased, and not what was bought; no late event brings it back', async () => {
  const user = await addUser(shop, 'Ada Lind');
  const product = await addProduct(shop, '5.00');
  const { id } = await shop.orders.must('POST', '/orders', {
    ...order(user, [product, 2]),
    note: 'Ring at Lind',
    shipping_address: { city: 'Uppsala' },
  });
  await shop.users.must('POST', `/users/${user}/erase`);
  // Asked again, when there is nobody any more.
  await shop.users.must('POST', `/users/${user}/erase`);
  await deliverEvents(shop, { only: [user] });
  const client = new pg.Client({ connectionString: shop.databases.get('users') });
  await client.connect();
  await client.query(
    `INSERT INTO messaging.outbox (aggregatetype, aggregateid, type, payload)
     VALUES ('user', $1, 'UserNameChanged', $2)`,
    [user, { user_id: user, version: 7, name: 'Ada Novák' }],
  );
  await client.end();
  await deliverEvents(shop, { only: [user] });
  expect(await shop.orders.must('GET', `/orders/${String(id)}`)).toMatchObject({
    user_name: '',
    user_email: '',
    note: null,
    shipping_address: null,
    total: '10.00',
    status: 'paid',
  });
  expect((await shop.orders.call('POST', '/orders', order(user, [product, 1]))).status).toBe(422);
});

test('keeps the sum of lines and the total of every order equal', async () => {
  const client = new pg.Client({ connectionString: ordersDatabase });
  await client.connect();
  const { rows } = await client.query(
    `SELECT o.id FROM orders o
     WHERE total <> (SELECT sum(line_total) FROM order_lines WHERE order_id = o.id)`,
  );
  await client.end();
  expect(rows).toEqual([]);
});
