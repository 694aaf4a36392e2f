import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startPostgres, type PostgresServer } from '../../pipeline/testing/postgres-server.ts';
import { readAll, runForTest, type TestService } from '../testing/service-harness.ts';
import { inventoryService } from './app.ts';

let server: PostgresServer;
let inventory: TestService;
beforeAll(async () => {
  server = await startPostgres();
  inventory = await runForTest(
    inventoryService,
    (await server.createDatabase('inventory')).url,
    {},
  );
  await inventory.must('PUT', '/warehouses/VIE1', { name: 'Vienna', country: 'AT' });
  await inventory.must('PUT', '/warehouses/LYS1', { name: 'Lyon', country: 'FR' });
});
afterAll(async () => {
  await inventory[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

async function stocked(onHand: number, warehouse = 'VIE1'): Promise<string> {
  const product = randomUUID();
  await inventory.must('PUT', `/stock/${product}/${warehouse}`, { on_hand: onHand });
  return product;
}

const reserve = async (order: string, ...lines: [string, number][]) =>
  inventory.call('PUT', `/reservations/${order}`, {
    lines: lines.map(([product_id, quantity]) => ({ product_id, quantity })),
  });

const levelOf = async (product: string, warehouse = 'VIE1') =>
  inventory.must('GET', `/stock/${product}/${warehouse}`);

test('holds stock for exactly as many orders as there are units, however many ask at once', async () => {
  const product = await stocked(5);
  const answers = await Promise.all(
    Array.from({ length: 12 }, async () => reserve(randomUUID(), [product, 1])),
  );
  const statuses = answers.map((answer) => answer.status);
  expect(statuses.filter((status) => status === 200)).toHaveLength(5);
  expect(statuses.filter((status) => status === 409)).toHaveLength(7);
  expect(await levelOf(product)).toMatchObject({ on_hand: 5, reserved: 5 });
});

test('holds all lines of an order or none, and names the products that are short', async () => {
  const plenty = await stocked(10);
  const scarce = await stocked(1);
  const order = randomUUID();
  const answer = await reserve(order, [plenty, 2], [scarce, 2]);
  expect(answer).toMatchObject({ status: 409, body: { product_ids: [scarce] } });
  expect(await levelOf(plenty)).toMatchObject({ reserved: 0 });
  expect((await inventory.call('GET', `/reservations/${order}`)).status).toBe(404);
});

test('counts a reservation, its release and its shipment once, however often they are asked for', async () => {
  const product = await stocked(10);
  const [shipped, released] = [randomUUID(), randomUUID()];
  const twice = await Promise.all([reserve(shipped, [product, 3]), reserve(shipped, [product, 3])]);
  expect(twice.map((answer) => answer.status)).toEqual([200, 200]);
  await reserve(released, [product, 4]);
  expect(await levelOf(product)).toMatchObject({ on_hand: 10, reserved: 7 });
  for (let index = 0; index < 2; index += 1) {
    await inventory.must('PUT', `/reservations/${shipped}/shipment`);
    await inventory.must('DELETE', `/reservations/${released}`);
  }
  expect(await levelOf(product)).toMatchObject({ on_hand: 7, reserved: 0 });
  expect((await inventory.call('PUT', `/reservations/${released}/shipment`)).status).toBe(409);
  expect((await reserve(released, [product, 4])).status).toBe(409);
  const movements = await readAll(inventory, `/movements?limit=2&product_id=${product}`);
  expect(movements.map(({ kind, quantity }) => [kind, quantity])).toEqual([
    ['release', -4],
    ['shipment', -3],
    ['reservation', 4],
    ['reservation', 3],
    ['adjustment', 10],
  ]);
});

test('does not let stock fall below what orders hold', async () => {
  const product = await stocked(5);
  await reserve(randomUUID(), [product, 4]);
  const adjust = async (quantity: number) =>
    (await inventory.call('POST', `/stock/${product}/VIE1/adjustments`, { quantity })).status;
  expect(await adjust(-2)).toBe(409);
  expect(await adjust(-1)).toBe(200);
  expect(await adjust(0)).toBe(400);
  expect((await inventory.call('PUT', `/stock/${product}/VIE1`, { on_hand: 3 })).status).toBe(409);
  expect(await levelOf(product)).toMatchObject({ on_hand: 4, reserved: 4 });
});

test('takes an order from the warehouse that has enough', async () => {
  const product = await stocked(1, 'LYS1');
  await inventory.must('PUT', `/stock/${product}/VIE1`, { on_hand: 9 });
  const { body } = await reserve(randomUUID(), [product, 5]);
  expect(body).toMatchObject({ items: [{ warehouse_code: 'VIE1', quantity: 5, status: 'held' }] });
});

test('lets one of two counts of the same version win', async () => {
  const product = await stocked(1);
  const answers = await Promise.all(
    [2, 3].map(async (on_hand) =>
      inventory.call('PUT', `/stock/${product}/VIE1`, { on_hand }, { 'if-match': '"2"' }),
    ),
  );
  expect(answers.map((answer) => answer.status).sort((a, b) => a - b)).toEqual([200, 412]);
});

test('refuses stock in a warehouse that is not there', async () => {
  const answer = await inventory.call('PUT', `/stock/${randomUUID()}/NOPE`, { on_hand: 1 });
  expect(answer.status).toBe(404);
});

test('pages through levels of a composite key once while others are added', async () => {
  const products = await Promise.all(Array.from({ length: 6 }, async () => stocked(1)));
  for (const product of products) {
    await inventory.must('PUT', `/stock/${product}/LYS1`, { on_hand: 1 });
  }
  const seen = await readAll(inventory, '/stock?limit=5', async () => {
    await stocked(1);
  });
  const keys = seen.map(
    (level) => `${String(level['product_id'])} ${String(level['warehouse_code'])}`,
  );
  expect(new Set(keys).size).toBe(keys.length);
  for (const product of products) {
    expect(keys).toContain(`${product} VIE1`);
    expect(keys).toContain(`${product} LYS1`);
  }
});
