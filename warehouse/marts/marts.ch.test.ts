import { afterAll, beforeAll, expect, test } from 'vitest';
import { Secret } from '#runtime/config.ts';
import { createLogger } from '#runtime/log.ts';
import { connectWarehouse, type Warehouse } from '../../pipeline/sink/clickhouse-client.ts';
import { createShopTables, insertShopRows } from '../../pipeline/testing/shop-tables.ts';
import { migrate } from '../migrate.ts';
import { startEmbeddedWarehouse, type EmbeddedWarehouse } from '../testing/embedded-server.ts';
import { applyMarts, type AppliedMarts } from './apply-marts.ts';
import { readMartFiles } from './mart-files.ts';
import { refreshFacts } from './watch-marts.ts';

const ALL = [
  'customer_history',
  'customers',
  'daily_orders',
  'daily_revenue',
  'daily_sagas',
  'order_hours',
  'order_lines',
  'orders',
  'saga_hours',
  'saga_outcomes',
  'stock_history',
  'stock_levels',
];
const log = createLogger('test', 'silent');
const applied: AppliedMarts = new Map();

const uuid = (kind: string, number: number) =>
  `${kind.repeat(8)}-0000-4000-8000-${String(number).padStart(12, '0')}`;
const user = (number: number) => uuid('a', number);
const order = (number: number) => uuid('b', number);
const product = (number: number) => uuid('c', number);
const saga = (number: number) => uuid('d', number);

let server: EmbeddedWarehouse;
let client: Warehouse;

beforeAll(async () => {
  server = await startEmbeddedWarehouse();
  client = connectWarehouse(
    { url: server.url, user: 'default', password: new Secret('') },
    'marts-test',
  );
  await migrate(client, { log, signal: new AbortController().signal });
});

afterAll(async () => {
  await client.close();
  await server[Symbol.asyncDispose]();
});

async function rows(query: string): Promise<unknown[]> {
  const result = await client.query({
    query,
    format: 'JSONEachRow',
    clickhouse_settings: { output_format_json_quote_decimals: 1 },
  });
  return result.json();
}

async function make(): Promise<string[]> {
  await refreshFacts(client);
  return applyMarts(client, await readMartFiles(), { applied, log });
}

test('marts wait for their tables without an error, and are made when these are there', async () => {
  expect(await make()).toEqual(ALL);
  expect(await rows(`SELECT name FROM system.tables WHERE database = 'marts'`)).toEqual([]);

  await createShopTables(client, ['users.users', 'orders.orders']);
  expect(await make()).toEqual(
    ALL.filter((name) => !['customers', 'customer_history'].includes(name)),
  );

  await createShopTables(client);
  expect(await make()).toEqual([]);
  expect(await rows(`SELECT count() AS n FROM system.tables WHERE database = 'marts'`)).toEqual([
    { n: ALL.length },
  ]);
});

test('every column says what it means', async () => {
  expect(
    await rows(`SELECT table, name FROM system.columns WHERE database = 'marts' AND comment = ''`),
  ).toEqual([]);
  expect(
    await rows(`SELECT name FROM system.tables WHERE database = 'marts' AND comment = ''`),
  ).toEqual([]);
});

test('columns have the types that the marts declare', async () => {
  for (const mart of ALL) {
    const result = await client.query({
      query: `SELECT * FROM marts.${mart}`,
      format: 'JSONCompact',
    });
    const { meta } = await result.json();
    expect(
      await rows(`SELECT name, type FROM system.columns
                  WHERE database = 'marts' AND table = '${mart}' ORDER BY position`),
    ).toEqual(meta);
  }
});

test('a mart is made anew when a table of its own gets other columns, and only then', async () => {
  const made = () =>
    rows(`SELECT name, uuid FROM system.tables WHERE database = 'marts' ORDER BY name`);
  const before = await made();
  await make();
  expect(await made()).toEqual(before);
  await client.command({
    query: `CREATE OR REPLACE VIEW inventory.warehouses AS
            SELECT *, 'x' AS added FROM current.inventory__warehouses FINAL`,
  });
  await make();
  const after = await made();
  const changed = after.filter((row) => !before.some((old) => same(old, row)));
  expect(changed).toMatchObject([{ name: 'stock_levels' }]);
});

const same = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b);

test('the figures of a small shop', async () => {
  const ann = {
    id: user(1),
    country: 'DE',
    status: 'active',
    created_at: '2026-01-01T00:00:00Z',
  };
  await insertShopRows(client, 'users.users', [
    { ...ann, name: 'Anna', _committed_at: '2026-01-01T00:00:00Z' },
  ]);
  await insertShopRows(client, 'users.users', [
    // A second after she ordered.
    { ...ann, name: 'Ann', _committed_at: '2026-03-01T10:00:01Z' },
    {
      id: user(2),
      name: 'Bob',
      country: 'US',
      status: 'active',
      created_at: '2026-01-02T00:00:00Z',
    },
  ]);
  const placed = (number: number, rest: Record<string, unknown>) => ({
    id: order(number),
    order_number: 1_000_000 + number,
    user_name: 'as it was',
    status: 'paid',
    currency: 'EUR',
    placed_at: '2026-03-01T10:00:00Z',
    paid_at: '2026-03-01T10:00:02Z',
    ...rest,
  });
  await insertShopRows(client, 'orders.orders', [
    placed(1, { user_id: user(1), total: '30.30' }),
    placed(2, { user_id: user(1), total: '10.10', paid_at: '2026-03-02T00:00:00Z' }),
    placed(3, { user_id: user(2), total: '20.00', currency: 'USD' }),
    placed(4, {
      user_id: user(2),
      total: '5.00',
      status: 'cancelled',
      paid_at: null,
      cancel_reason: 'no-stock',
    }),
    // Her account is gone.
    placed(5, { user_id: user(9), total: '10.10' }),
  ]);
  const line = (
    order_id: string,
    line_no: number,
    product_id: string,
    quantity: number,
    line_total: string,
  ) => ({
    order_id,
    line_no,
    product_id,
    product_name: `product ${product_id.at(-1)}`,
    quantity,
    line_total,
  });
  await insertShopRows(client, 'orders.order_lines', [
    line(order(1), 1, product(1), 2, '20.20'),
    line(order(1), 2, product(2), 1, '10.10'),
    line(order(2), 1, product(1), 1, '10.10'),
    line(order(3), 1, product(1), 2, '20.00'),
    line(order(4), 1, product(1), 1, '5.00'),
    line(order(5), 1, product(1), 1, '10.10'),
  ]);
  const paid = (id: number, number: number, rest: Record<string, unknown>) => ({
    id,
    order_id: order(number),
    amount: '30.30',
    refunded_amount: '0',
    currency: 'EUR',
    method: 'card',
    status: 'captured',
    captured_at: '2026-03-01T10:00:02Z',
    ...rest,
  });
  await insertShopRows(client, 'payments.payments', [
    // The one that counts is not the newest.
    paid(1, 1, { status: 'partially_refunded', refunded_amount: '4.00' }),
    paid(2, 1, { status: 'failed', captured_at: null }),
    paid(3, 3, { amount: '20.00', currency: 'USD', method: 'wallet' }),
    paid(4, 4, { amount: '5.00', status: 'failed', captured_at: null }),
  ]);
  await insertShopRows(client, 'inventory.reservations', [
    { order_id: order(1), line_no: 1, status: 'shipped', quantity: 2 },
    { order_id: order(1), line_no: 2, status: 'shipped', quantity: 1 },
    { order_id: order(3), line_no: 1, status: 'held', quantity: 2 },
    { order_id: order(3), line_no: 2, status: 'released', quantity: 2 },
  ]);
  await insertShopRows(client, 'orders.sagas', [
    {
      id: saga(1),
      order_id: order(1),
      kind: 'place-order',
      state: 'completed',
      created_at: '2026-03-01T10:00:00Z',
      ended_at: '2026-03-01T10:00:01.500Z',
    },
    {
      id: saga(2),
      order_id: order(1),
      kind: 'ship-order',
      state: 'running',
      created_at: '2026-03-01T11:00:00Z',
    },
    {
      id: saga(4),
      order_id: order(4),
      kind: 'place-order',
      state: 'compensated',
      reason: 'payment-declined',
      created_at: '2026-03-01T10:00:00Z',
      ended_at: '2026-03-01T10:00:00.250Z',
    },
  ]);
  const step = (id: string, name: string, direction: string, state: string, attempts: number) => ({
    saga_id: id,
    step: name,
    direction,
    state,
    attempts,
  });
  await insertShopRows(client, 'orders.saga_steps', [
    step(saga(1), 'reserve-stock', 'do', 'done', 1),
    step(saga(1), 'charge', 'do', 'done', 3),
    step(saga(4), 'reserve-stock', 'do', 'done', 1),
    step(saga(4), 'charge', 'do', 'refused', 1),
    step(saga(4), 'reserve-stock', 'undo', 'done', 1),
  ]);
  await insertShopRows(client, 'catalog.products', [
    { id: product(1), sku: 'A-1', name: 'Lamp', status: 'published' },
  ]);
  await insertShopRows(client, 'inventory.warehouses', [
    { code: 'BER', name: 'Berlin', country: 'DE' },
  ]);
  await insertShopRows(client, 'inventory.stock_levels', [
    { product_id: product(1), warehouse_code: 'BER', on_hand: 10, reserved: 7, reorder_point: 3 },
    {
      product_id: product(2),
      warehouse_code: 'BER',
      on_hand: 10,
      reserved: 7,
      reorder_point: null,
    },
  ]);

  await make();
  expect(
    await rows(`SELECT order_number, total, line_count, item_count, buyer_name, buyer_name_now, buyer_country,
                  payment_id, payment_status, payment_attempts, captured, refunded, stock_state,
                  saga_state, saga_reason, saga_duration_ms
                FROM marts.orders WHERE order_number != 1000002 ORDER BY order_number`),
  ).toEqual([
    {
      order_number: 1000001,
      total: '30.3',
      line_count: 2,
      item_count: 3,
      buyer_name: 'Anna',
      buyer_name_now: 'Ann',
      buyer_country: 'DE',
      payment_id: 1,
      payment_status: 'partially_refunded',
      payment_attempts: 2,
      captured: '30.3',
      refunded: '4',
      stock_state: 'shipped',
      saga_state: 'completed',
      saga_reason: null,
      saga_duration_ms: 1500,
    },
    {
      order_number: 1000003,
      total: '20',
      line_count: 1,
      item_count: 2,
      buyer_name: 'Bob',
      buyer_name_now: 'Bob',
      buyer_country: 'US',
      payment_id: 3,
      payment_status: 'captured',
      payment_attempts: 1,
      captured: '20',
      refunded: '0',
      stock_state: 'mixed',
      saga_state: null,
      saga_reason: null,
      saga_duration_ms: null,
    },
    {
      order_number: 1000004,
      total: '5',
      line_count: 1,
      item_count: 1,
      buyer_name: 'Bob',
      buyer_name_now: 'Bob',
      buyer_country: 'US',
      payment_id: 4,
      payment_status: 'failed',
      payment_attempts: 1,
      captured: '0',
      refunded: '0',
      stock_state: 'none',
      saga_state: 'compensated',
      saga_reason: 'payment-declined',
      saga_duration_ms: 250,
    },
    {
      order_number: 1000005,
      total: '10.1',
      line_count: 1,
      item_count: 1,
      buyer_name: 'as it was',
      buyer_name_now: null,
      buyer_country: null,
      payment_id: null,
      payment_status: null,
      payment_attempts: 0,
      captured: '0',
      refunded: '0',
      stock_state: 'none',
      saga_state: null,
      saga_reason: null,
      saga_duration_ms: null,
    },
  ]);

  const one = product(1);
  expect(
    await rows(`SELECT day, product_id, country, currency, orders, items, revenue
                FROM marts.daily_revenue ORDER BY day, product_id, country`),
  ).toEqual([
    {
      day: '2026-03-01',
      product_id: one,
      country: 'DE',
      currency: 'EUR',
      orders: 1,
      items: 2,
      revenue: '20.2',
    },
    {
      day: '2026-03-01',
      product_id: one,
      country: 'US',
      currency: 'USD',
      orders: 1,
      items: 2,
      revenue: '20',
    },
    {
      day: '2026-03-01',
      product_id: one,
      country: 'unknown',
      currency: 'EUR',
      orders: 1,
      items: 1,
      revenue: '10.1',
    },
    {
      day: '2026-03-01',
      product_id: product(2),
      country: 'DE',
      currency: 'EUR',
      orders: 1,
      items: 1,
      revenue: '10.1',
    },
    {
      day: '2026-03-02',
      product_id: one,
      country: 'DE',
      currency: 'EUR',
      orders: 1,
      items: 1,
      revenue: '10.1',
    },
  ]);

  const daily = { day: '2026-03-01', paid_day: '2026-03-01', status: 'paid', currency: 'EUR' };
  expect(await rows(`SELECT * FROM marts.daily_orders ORDER BY country, orders, total`)).toEqual(
    [
      { paid_day: '2026-03-02', country: 'DE', payment_method: 'unknown', total: '10.1' },
      { country: 'DE', payment_method: 'card', total: '30.3', refunded: '4' },
      {
        paid_day: null,
        status: 'cancelled',
        country: 'US',
        payment_method: 'card',
        cancel_reason: 'no-stock',
        total: '5',
      },
      { currency: 'USD', country: 'US', payment_method: 'wallet', total: '20' },
      { country: 'unknown', payment_method: 'unknown', total: '10.1' },
    ].map((row) => ({ ...daily, cancel_reason: null, orders: 1, refunded: '0', ...row })),
  );

  const ended = { day: '2026-03-01', kind: 'place-order', sagas: 1 };
  expect(await rows(`SELECT * FROM marts.daily_sagas ORDER BY state`)).toEqual([
    { ...ended, state: 'compensated', reason: 'payment-declined', duration_ms: 250 },
    { ...ended, state: 'completed', reason: null, duration_ms: 1500 },
  ]);

  expect(
    await rows(`SELECT name, valid_from, valid_to, is_current FROM marts.customer_history
                WHERE customer_id = '${user(1)}' ORDER BY valid_from`),
  ).toEqual([
    {
      name: 'Anna',
      valid_from: '2026-01-01 00:00:00.000000',
      valid_to: '2026-03-01 10:00:01.000000',
      is_current: false,
    },
    { name: 'Ann', valid_from: '2026-03-01 10:00:01.000000', valid_to: null, is_current: true },
  ]);

  expect(
    await rows(
      `SELECT on_hand, reserved, available, valid_to FROM marts.stock_history WHERE product_id = '${one}'`,
    ),
  ).toEqual([{ on_hand: 10, reserved: 7, available: 3, valid_to: null }]);

  expect(
    await rows(`SELECT sku, product_name, warehouse_name, available, is_low
                FROM marts.stock_levels ORDER BY product_id`),
  ).toEqual([
    { sku: 'A-1', product_name: 'Lamp', warehouse_name: 'Berlin', available: 3, is_low: true },
    { sku: null, product_name: null, warehouse_name: 'Berlin', available: 3, is_low: false },
  ]);

  expect(
    await rows(`SELECT order_number, kind, state, is_ended, reason, duration_ms, steps_done,
                  steps_undone, refused_step, step_attempts
                FROM marts.saga_outcomes ORDER BY saga_id`),
  ).toEqual([
    {
      order_number: 1000001,
      kind: 'place-order',
      state: 'completed',
      is_ended: true,
      reason: null,
      duration_ms: 1500,
      steps_done: 2,
      steps_undone: 0,
      refused_step: null,
      step_attempts: 4,
    },
    {
      order_number: 1000001,
      kind: 'ship-order',
      state: 'running',
      is_ended: false,
      reason: null,
      duration_ms: null,
      steps_done: 0,
      steps_undone: 0,
      refused_step: null,
      step_attempts: 0,
    },
    {
      order_number: 1000004,
      kind: 'place-order',
      state: 'compensated',
      is_ended: true,
      reason: 'payment-declined',
      duration_ms: 250,
      steps_done: 1,
      steps_undone: 1,
      refused_step: 'charge',
      step_attempts: 3,
    },
  ]);

  expect(
    await rows(`SELECT name, orders, paid_orders, toString(first_paid_at) AS first, spent
                FROM marts.customers ORDER BY name`),
  ).toEqual([
    {
      name: 'Ann',
      orders: 2,
      paid_orders: 2,
      first: '2026-03-01 10:00:02.000000',
      spent: { EUR: '40.4' },
    },
    {
      name: 'Bob',
      orders: 2,
      paid_orders: 1,
      first: '2026-03-01 10:00:02.000000',
      spent: { USD: '20' },
    },
  ]);
});

test('how many pieces an order has is not known until its lines have come', async () => {
  const pieces = async () => {
    await make();
    return rows(`SELECT line_count, item_count FROM marts.orders WHERE order_id = '${order(7)}'`);
  };
  await insertShopRows(client, 'orders.orders', [
    { id: order(7), order_number: 1000007, placed_at: '2026-04-01T10:00:00Z' },
  ]);
  expect(await pieces()).toEqual([{ line_count: 0, item_count: null }]);
  await insertShopRows(client, 'orders.order_lines', [
    { order_id: order(7), line_no: 1, product_id: product(1), quantity: 3 },
  ]);
  expect(await pieces()).toEqual([{ line_count: 1, item_count: 3 }]);
});

test('an update and a delete correct the figures', async () => {
  await insertShopRows(client, 'orders.orders', [
    {
      id: order(4),
      order_number: 1000004,
      user_id: user(2),
      status: 'paid',
      currency: 'USD',
      total: '5.00',
      placed_at: '2026-03-01T10:00:00Z',
      paid_at: '2026-03-01T12:00:00Z',
    },
    { id: order(5), _deleted: 1 },
  ]);
  await make();
  expect(
    await rows(`SELECT country, currency, sum(revenue) AS revenue FROM marts.daily_revenue
                WHERE day = '2026-03-01' GROUP BY ALL ORDER BY ALL`),
  ).toEqual([
    { country: 'DE', currency: 'EUR', revenue: '30.3' },
    { country: 'US', currency: 'USD', revenue: '25' },
  ]);
  expect(
    await rows(`SELECT status, currency, country, orders, total FROM marts.daily_orders
                WHERE paid_day = '2026-03-01' ORDER BY ALL`),
  ).toEqual([
    { status: 'paid', currency: 'EUR', country: 'DE', orders: 1, total: '30.3' },
    { status: 'paid', currency: 'USD', country: 'US', orders: 1, total: '5' },
    { status: 'paid', currency: 'USD', country: 'US', orders: 1, total: '20' },
  ]);
});
