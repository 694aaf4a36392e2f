import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startPostgres, type PostgresServer } from '../../pipeline/testing/postgres-server.ts';
import { readAll } from '../testing/service-harness.ts';
import { addProduct, addUser, openShop, stockOf, type TestShop } from '../testing/test-shop.ts';

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

test('copies name, email and prices when an order is placed and keeps the copies', async () => {
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
    status: 'pending',
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

test('refuses what cannot be sold and leaves neither order nor held stock behind', async () => {
  const user = await addUser(shop);
  const product = await addProduct(shop, '5.00', 3);
  const place = async (body: object) => shop.orders.call('POST', '/orders', body);
  expect(await place(order(user, [product, 4]))).toMatchObject({
    status: 409,
    body: { product_ids: [product] },
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
  expect(await readAll(shop.orders, `/orders?limit=9&user_id=${user}`)).toEqual([]);
});

test('gives the stock of a cancelled order back, once', async () => {
  const [user, product] = [await addUser(shop), await addProduct(shop, '5.00')];
  const { id } = await shop.orders.must('POST', '/orders', order(user, [product, 2]));
  const path = `/orders/${String(id)}`;
  for (let index = 0; index < 2; index += 1) {
    expect(await shop.orders.must('POST', `${path}/cancel`, { reason: 'late' })).toMatchObject({
      status: 'cancelled',
      cancel_reason: 'late',
      version: 2,
    });
  }
  expect(await stockOf(shop, product)).toEqual([100, 0]);
  expect((await shop.orders.call('POST', `${path}/ship`)).status).toBe(409);
  expect((await shop.orders.call('PATCH', path, { gift: true })).status).toBe(409);
  expect((await shop.orders.call('PUT', `${path}/payment`, { payment_id: '1' })).status).toBe(409);
});

test('keeps a payment id beyond 2^53 digit by digit', async () => {
  const [user, product] = [await addUser(shop), await addProduct(shop, '5.00')];
  const { id } = await shop.orders.must('POST', '/orders', order(user, [product, 1]));
  const notice = { payment_id: '9007199254740993' };
  const paid = await shop.orders.must('PUT', `/orders/${String(id)}/payment`, notice);
  expect(paid).toMatchObject({ status: 'paid', payment_id: '9007199254740993' });
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

test('answers 503 that names users when users is down, holds no stock, and reads on', async () => {
  const makeDatabase = async (name: string) => (await server.createDatabase(`${name}_down`)).url;
  await using lonely = await openShop(makeDatabase);
  const [user, product] = [await addUser(lonely), await addProduct(lonely, '5.00')];
  await lonely.users.running.stop();
  const answer = await lonely.orders.call('POST', '/orders', order(user, [product, 1]));
  expect(answer).toMatchObject({
    status: 503,
    body: { type: 'urn:tributary:problem:dependency-unavailable', dependency: 'users' },
  });
  expect(answer.headers.get('retry-after')).toBe('1');
  expect(await stockOf(lonely, product)).toEqual([100, 0]);
  expect((await lonely.orders.call('GET', '/orders')).status).toBe(200);
  expect((await lonely.orders.call('GET', '/health/ready')).status).toBe(200);
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
