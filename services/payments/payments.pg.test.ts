import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startPostgres, type PostgresServer } from '../../pipeline/testing/postgres-server.ts';
import { readAll, runForTest, type TestService } from '../testing/service-harness.ts';
import { paymentsService } from './app.ts';

let server: PostgresServer;
let payments: TestService;
beforeAll(async () => {
  server = await startPostgres();
  payments = await runForTest(paymentsService, (await server.createDatabase('payments')).url, {});
});
afterAll(async () => {
  await payments[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

const user = randomUUID();

const charge = async (orderId: string, details: object = {}, amount = '3333333333.33') =>
  payments.call('PUT', `/charges/${orderId}`, {
    user_id: user,
    amount,
    currency: 'EUR',
    method: 'card',
    details,
  });
const giveUp = async (orderId: string) => payments.call('DELETE', `/charges/${orderId}`);
const paymentsOf = async (orderId: string) =>
  readAll(payments, `/payments?limit=9&order_id=${orderId}`);

test('charges an order once, exactly, however many ask at the same time', async () => {
  const order = randomUUID();
  const ask = async () => charge(order, {}, '9999999999.99');
  const answers = await Promise.all([ask(), ask(), ask()]);
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
  expect(new Set(answers.map(({ body }) => body['id'])).size).toBe(1);
  expect(await paymentsOf(order)).toMatchObject([
    { amount: '9999999999.99', refunded_amount: '0.00', user_id: user, status: 'captured' },
  ]);
});

test('answers a declined charge the same each time', async () => {
  const order = randomUUID();
  const declined = await charge(order, { simulate: 'decline' });
  expect(declined).toMatchObject({
    status: 402,
    body: { payment_id: expect.stringMatching(/^\d+$/) as string },
  });
  expect((await charge(order)).status).toBe(402);
  expect((await paymentsOf(order)).map(({ status }) => status)).toEqual(['failed']);
  expect(await giveUp(order)).toMatchObject({
    status: 200,
    body: { payment: { status: 'failed' } },
  });
});

test('gives the money of an order back that is given up, and refuses late charges', async () => {
  const [charged, never] = [randomUUID(), randomUUID()];
  await charge(charged);
  for (let index = 0; index < 2; index += 1) {
    expect(await giveUp(charged)).toMatchObject({
      status: 200,
      body: { payment: { status: 'refunded', refunded_amount: '3333333333.33' } },
    });
    expect(await giveUp(never)).toMatchObject({ status: 200, body: { payment: null } });
  }
  expect((await charge(charged)).status).toBe(409);
  expect((await charge(never)).status).toBe(409);
  expect(await paymentsOf(never)).toEqual([]);
});

test('ends with no money taken when charge and giving up meet, whichever is first', async () => {
  const orders = Array.from({ length: 20 }, () => randomUUID());
  await Promise.all(orders.flatMap((order) => [charge(order), giveUp(order)]));
  for (const order of orders) {
    const [payment] = await paymentsOf(order);
    if (payment !== undefined) expect(payment).toMatchObject({ status: 'refunded' });
    expect((await charge(order)).status).toBe(409);
  }
});

test('refunds in parts that sum up to the payment and never to more', async () => {
  const { body } = await charge(randomUUID());
  const path = `/payments/${String(body['id'])}`;
  const refund = async (amount?: string) =>
    (await payments.call('POST', `${path}/refunds`, amount === undefined ? {} : { amount })).status;
  expect(await refund('0.01')).toBe(201);
  expect(await refund('3333333333.33')).toBe(409);
  const rest = await Promise.all([refund('3333333333.32'), refund('3333333333.32')]);
  expect(rest.sort((a, b) => a - b)).toEqual([201, 409]);
  expect(await refund()).toBe(201);
  expect(await payments.must('GET', path)).toMatchObject({
    status: 'refunded',
    refunded_amount: '3333333333.33',
  });
  const refunds = await readAll(payments, `${path}/refunds?limit=1`);
  expect(refunds.map((item) => item['amount'])).toEqual(['0.01', '3333333333.32']);
});

test('reads payments by bigint ids and lets one of two changes win', async () => {
  const { body } = await charge(randomUUID());
  const id = String(body['id']);
  const bulk = await payments.must('GET', `/payments?ids=${id},9223372036854775807`);
  expect((bulk['items'] as { id: string }[]).map((payment) => payment.id)).toEqual([id]);
  expect((await payments.call('GET', '/payments/9223372036854775808')).status).toBe(400);
  const version = String(body['version']);
  const answers = await Promise.all(
    ['a', 'b'].map(async (note) =>
      payments.call(
        'PATCH',
        `/payments/${id}`,
        { details: { note } },
        { 'if-match': `"${version}"` },
      ),
    ),
  );
  expect(answers.map((answer) => answer.status).sort((a, b) => a - b)).toEqual([200, 412]);
});
