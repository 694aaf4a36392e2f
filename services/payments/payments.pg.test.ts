import { afterAll, beforeAll, expect, test } from 'vitest';
import { startPostgres, type PostgresServer } from '../../pipeline/testing/postgres-server.ts';
import { readAll, runForTest } from '../testing/service-harness.ts';
import { addProduct, addUser, openShop, stockOf, type TestShop } from '../testing/test-shop.ts';
import { paymentsService } from './app.ts';

let server: PostgresServer;
let shop: TestShop;
let user: string;
let product: string;
beforeAll(async () => {
  server = await startPostgres();
  shop = await openShop(async (name) => (await server.createDatabase(name)).url);
  user = await addUser(shop);
  product = await addProduct(shop, '3333333333.33', 1_000);
});
afterAll(async () => {
  await shop[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

async function placeOrder(quantity = 3): Promise<string> {
  const lines = [{ product_id: product, quantity }];
  return String((await shop.orders.must('POST', '/orders', { user_id: user, lines }))['id']);
}

const charge = async (orderId: string, details: object = {}) =>
  shop.payments.call('POST', '/payments', { order_id: orderId, method: 'card', details });

const orderStatus = async (id: string) =>
  (await shop.orders.must('GET', `/orders/${id}`))['status'];

test('charges an order once, exactly, however many ask at the same time', async () => {
  const order = await placeOrder();
  const answers = await Promise.all([charge(order), charge(order), charge(order)]);
  expect(answers.some((answer) => answer.status === 201)).toBe(true);
  expect(answers.every((answer) => answer.status === 201 || answer.status === 409)).toBe(true);
  expect(await charge(order)).toMatchObject({ status: 201, body: { status: 'captured' } });
  const payments = await readAll(shop.payments, `/payments?limit=9&order_id=${order}`);
  expect(payments).toMatchObject([
    { amount: '9999999999.99', refunded_amount: '0.00', user_id: user, status: 'captured' },
  ]);
  expect(await shop.orders.must('GET', `/orders/${order}`)).toMatchObject({
    status: 'paid',
    payment_id: payments[0]?.['id'],
  });
  await shop.orders.must('POST', `/orders/${order}/ship`);
  expect(await charge(order)).toMatchObject({ status: 201, body: { status: 'captured' } });
});

test('remembers a declined charge and lets the order be charged again', async () => {
  const order = await placeOrder(1);
  const declined = await charge(order, { simulate: 'decline' });
  expect(declined).toMatchObject({
    status: 402,
    body: { payment_id: expect.stringMatching(/^\d+$/) as string },
  });
  expect(await orderStatus(order)).toBe('pending');
  expect((await charge(order)).status).toBe(201);
  const payments = await readAll(shop.payments, `/payments?limit=1&order_id=${order}`);
  expect(payments.map((payment) => payment['status'])).toEqual(['captured', 'failed']);
});

test('refunds in parts that sum up to the payment and never to more', async () => {
  const [, reservedBefore] = await stockOf(shop, product);
  const order = await placeOrder(1);
  const { body } = await charge(order);
  const path = `/payments/${String(body['id'])}`;
  const refund = async (amount?: string) =>
    (await shop.payments.call('POST', `${path}/refunds`, amount === undefined ? {} : { amount }))
      .status;
  expect(await refund('0.01')).toBe(201);
  expect(await orderStatus(order)).toBe('paid');
  expect(await refund('3333333333.33')).toBe(409);
  const rest = await Promise.all([refund('3333333333.32'), refund('3333333333.32')]);
  expect(rest.sort((a, b) => a - b)).toEqual([201, 409]);
  expect(await refund()).toBe(201);
  expect(await shop.payments.must('GET', path)).toMatchObject({
    status: 'refunded',
    refunded_amount: '3333333333.33',
  });
  const refunds = await readAll(shop.payments, `${path}/refunds?limit=1`);
  expect(refunds.map((item) => item['amount'])).toEqual(['0.01', '3333333333.32']);
  expect(await orderStatus(order)).toBe('refunded');
  expect((await stockOf(shop, product))[1]).toBe(reservedBefore);
});

test('does not charge an order that was cancelled', async () => {
  const order = await placeOrder(1);
  await shop.orders.must('POST', `/orders/${order}/cancel`, {});
  expect((await charge(order)).status).toBe(409);
  expect(await readAll(shop.payments, `/payments?limit=9&order_id=${order}`)).toEqual([]);
});

test('answers 503 while orders is down and goes on when it is back', async () => {
  const order = await placeOrder(1);
  const { url } = await server.createDatabase('payments_alone');
  await using alone = await runForTest(paymentsService, url, { ordersUrl: 'http://127.0.0.1:9' });
  const request = { order_id: order, method: 'wallet' };
  expect(await alone.call('POST', '/payments', request)).toMatchObject({
    status: 503,
    body: { dependency: 'orders' },
  });
  await using back = await runForTest(paymentsService, url, { ordersUrl: shop.orders.url });
  expect((await back.call('POST', '/payments', request)).status).toBe(201);
  expect(await orderStatus(order)).toBe('paid');
});

test('reads payments by bigint ids and lets one of two changes win', async () => {
  const { body } = await charge(await placeOrder(1));
  const id = String(body['id']);
  const bulk = await shop.payments.must('GET', `/payments?ids=${id},9223372036854775807`);
  expect((bulk['items'] as { id: string }[]).map((payment) => payment.id)).toEqual([id]);
  expect((await shop.payments.call('GET', '/payments/9223372036854775808')).status).toBe(400);
  const version = String(body['version']);
  const answers = await Promise.all(
    ['a', 'b'].map(async (note) =>
      shop.payments.call(
        'PATCH',
        `/payments/${id}`,
        { details: { note } },
        { 'if-match': `"${version}"` },
      ),
    ),
  );
  expect(answers.map((answer) => answer.status).sort((a, b) => a - b)).toEqual([200, 412]);
});
