import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { startPostgres, type PostgresServer } from '../../../pipeline/testing/postgres-server.ts';
import { openDoor, type Door } from '../../testing/door.ts';
import { readAll } from '../../testing/service-harness.ts';
import { addProduct, addUser, openShop, stockOf, type TestShop } from '../../testing/test-shop.ts';

/*
 * Sagas that do not end by themselves: what shows of them, and what an operator can do.
 */

/** Of orders, here: shorter than payments is kept away. */
const DEADLINE_SECONDS = 1.5;

let server: PostgresServer;
let shop: TestShop;
let payments: Door;
let user: string;
let product: string;

beforeAll(async () => {
  server = await startPostgres();
  payments = await openDoor(() => shop.payments.url);
  shop = await openShop(async (name) => (await server.createDatabase(name)).url, {
    paymentsUrl: payments.url,
    orderDeadlineSeconds: DEADLINE_SECONDS,
  });
  user = await addUser(shop);
});
beforeEach(async () => {
  payments.refusing = undefined;
  product = await addProduct(shop, '5.00');
});
afterAll(async () => {
  payments.close();
  await shop[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

/** Places an order and resolves with its id and its saga's. */
async function place(): Promise<{ order: string; saga: string }> {
  const lines = [{ product_id: product, quantity: 2 }];
  const { id } = await shop.orders.must('POST', '/orders', { user_id: user, lines });
  const [saga] = await readAll(shop.orders, `/sagas?order_id=${String(id)}&limit=9`);
  return { order: String(id), saga: String(saga?.['id']) };
}

async function overdue(): Promise<unknown[]> {
  const sagas = await readAll(shop.orders, '/sagas?overdue=true&limit=9');
  return sagas.map(({ id, state, reason }) => [id, state, reason]);
}

async function statusOf(order: string): Promise<unknown> {
  return (await shop.orders.must('GET', `/orders/${order}`))['status'];
}

async function timeline(saga: string): Promise<string[]> {
  const { steps } = await shop.orders.must('GET', `/sagas/${saga}`);
  return (steps as { step: string; direction: string; state: string }[]).map(
    ({ step, direction, state }) => `${direction} ${step}: ${state}`,
  );
}

const tell = async (saga: string, word: 'retry' | 'compensate') =>
  shop.orders.must('POST', `/sagas/${saga}/${word}`);

test('an answer that nobody planned for leaves a saga stuck, until an operator has it tried again', async () => {
  payments.refusing = 418;
  const { order, saga } = await place();
  expect(await statusOf(order)).toBe('pending');
  expect(await overdue()).toEqual([[saga, 'stuck', 'charge: payments answered 418']]);
  // Nothing has changed: it is stuck again, and nothing was taken twice.
  await tell(saga, 'retry');
  expect(await overdue()).toHaveLength(1);

  payments.refusing = undefined;
  expect(await tell(saga, 'retry')).toMatchObject({ state: 'completed' });
  expect(await statusOf(order)).toBe('paid');
  expect(await overdue()).toEqual([]);
  expect(await stockOf(shop, product)).toEqual([100, 2]);
  expect(await readAll(shop.payments, `/payments?order_id=${order}&limit=9`)).toHaveLength(1);
});

test('an operator turns a stuck saga back; that it is stuck on its way back shows as well', async () => {
  payments.refusing = 418;
  const { order, saga } = await place();
  expect(await tell(saga, 'compensate')).toMatchObject({ state: 'stuck' });
  payments.refusing = undefined;
  // Back it goes, whatever it is told: what was undone is not done again.
  expect(await tell(saga, 'retry')).toMatchObject({ state: 'compensated' });
  expect(await timeline(saga)).toEqual([
    'do reserve: done',
    'do charge: started',
    'undo charge: done',
    'undo reserve: done',
  ]);
  expect(await statusOf(order)).toBe('cancelled');
  expect(await stockOf(shop, product)).toEqual([100, 0]);
});

test('a step that is not done by the deadline turns the saga, last step first', async () => {
  payments.refusing = 503;
  const { order, saga } = await place();
  const state = async () => (await shop.orders.must('GET', `/sagas/${saga}`))['state'];
  await expect.poll(state, { timeout: 20_000 }).toBe('compensating');
  expect(await overdue()).toEqual([[saga, 'compensating', 'it took too long']]);
  payments.refusing = undefined;
  await expect.poll(state, { timeout: 20_000 }).toBe('compensated');
  expect(await timeline(saga)).toEqual([
    'do reserve: done',
    'do charge: started',
    'undo charge: done',
    'undo reserve: done',
  ]);
  expect(await shop.orders.must('GET', `/orders/${order}`)).toMatchObject({
    status: 'cancelled',
    cancel_reason: 'it took too long',
  });
  expect(await stockOf(shop, product)).toEqual([100, 0]);
});
