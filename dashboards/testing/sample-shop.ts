import { createLogger } from '#runtime/log.ts';
import type { Warehouse } from '../../pipeline/sink/clickhouse-client.ts';
import { createShopTables, insertShopRows } from '../../pipeline/testing/shop-tables.ts';
import { refreshFacts } from '../../warehouse/marts/watch-marts.ts';
import { applyMarts } from '../../warehouse/marts/apply-marts.ts';
import { readMartFiles } from '../../warehouse/marts/mart-files.ts';
import { migrate } from '../../warehouse/migrate.ts';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const COUNTRIES = ['DE', 'FR', 'US', 'GB', 'PL'];
const NAMES = ['Ada', 'Ben', 'Clara', 'Dora', 'Emil', 'Finn', 'Greta', 'Hugo', 'Ida', 'Jan'];
const PRODUCTS = ['Desk lamp', 'Oak chair', 'Wool rug', 'Tea set', 'Book shelf', 'Wall clock'];

/** What {@link fillSampleShop} has put into the warehouse, to compare pages with. */
export interface SampleShop {
  readonly orders: number;
  readonly customers: number;
  /** Totals of paid orders by currency, in hundredths. */
  readonly revenue: Readonly<Record<string, number>>;
  readonly lowStock: number;
  readonly openLetters: number;
}

const id = (kind: string, number: number) =>
  `${kind.repeat(8)}-0000-4000-8000-${String(number).padStart(12, '0')}`;

/** Makes all tables, the shop's, those of `ops`, and the marts, without a row. */
export async function createSampleTables(client: Warehouse): Promise<void> {
  const log = createLogger('sample', 'silent');
  await migrate(client, { log, signal: new AbortController().signal });
  await createShopTables(client);
  await refreshFacts(client);
  const waiting = await applyMarts(client, await readMartFiles(), { applied: new Map(), log });
  if (waiting.length > 0) throw new Error(`marts wait for tables: ${waiting.join(', ')}`);
}

/** Fills them with what a quiet hour of the shop leaves behind, the same each time. */
export async function fillSampleShop(client: Warehouse, now: number): Promise<SampleShop> {
  const at = (ms: number) => new Date(ms).toISOString();
  const customers = NAMES.length * 4;
  await insertShopRows(
    client,
    'users.users',
    Array.from({ length: customers }, (_, index) => ({
      id: id('a', index),
      name: `${NAMES[index % NAMES.length]} ${'ABCD'.charAt(index / NAMES.length)}.`,
      email: `user${index}@example.com`,
      country: COUNTRIES[(index * index) % COUNTRIES.length],
      status: index % 13 === 12 ? 'suspended' : 'active',
      created_at: at(now - 55 * MINUTE + index * MINUTE),
    })),
  );
  await insertShopRows(
    client,
    'catalog.products',
    PRODUCTS.map((name, index) => ({
      id: id('c', index),
      sku: `P-${index}`,
      name,
      price: '10.00',
      currency: 'EUR',
      status: 'published',
    })),
  );
  await insertShopRows(client, 'inventory.warehouses', [
    { code: 'BER', name: 'Berlin', country: 'DE' },
    { code: 'LYO', name: 'Lyon', country: 'FR' },
  ]);
  const levels = PRODUCTS.flatMap((_, index) =>
    ['BER', 'LYO'].map((code, place) => ({
      product_id: id('c', index),
      warehouse_code: code,
      on_hand: 5 + ((index * 7 + place * 3) % 40),
      reserved: index % 5,
      reorder_point: 10,
      updated_at: at(now - index * MINUTE),
    })),
  );
  await insertShopRows(client, 'inventory.stock_levels', levels);

  const count = 240;
  const revenue: Record<string, number> = {};
  const [orders, lines, payments, sagas, steps, reservations, movements]: Record<
    string,
    unknown
  >[][] = [[], [], [], [], [], [], []];
  for (let index = 0; index < count; index++) {
    const placed = now - 50 * MINUTE + index * 12 * SECOND + ((index * 7919) % 9) * SECOND;
    const status =
      index % 11 === 10
        ? 'cancelled'
        : index % 23 === 22
          ? 'refunded'
          : index > count - 4
            ? 'pending'
            : index % 3 === 0
              ? 'shipped'
              : 'paid';
    const isPaid = status !== 'cancelled' && status !== 'pending';
    const currency = index % 4 === 3 ? 'USD' : 'EUR';
    const quantity = 1 + (index % 3);
    const cents = quantity * (1_050 + (index % 7) * 333);
    const user = (index * 17) % customers;
    const product = (index * 5 + (index % 4)) % PRODUCTS.length;
    const declined = index % 22 === 10;
    const total = (cents / 100).toFixed(2);
    if (isPaid) revenue[currency] = (revenue[currency] ?? 0) + cents;
    orders?.push({
      id: id('b', index),
      order_number: 1_000_001 + index,
      user_id: id('a', user),
      user_name: `${NAMES[user % NAMES.length]} ${'ABCD'.charAt(user / NAMES.length)}.`,
      status,
      total,
      currency,
      placed_at: at(placed),
      paid_at: isPaid ? at(placed + 800) : null,
      closed_at: status === 'cancelled' || status === 'refunded' ? at(placed + 2 * SECOND) : null,
      cancel_reason:
        status === 'cancelled'
          ? declined
            ? 'the payment was declined'
            : 'there is not enough stock'
          : null,
    });
    lines?.push({
      order_id: id('b', index),
      line_no: 1,
      product_id: id('c', product),
      product_name: PRODUCTS[product],
      unit_price: (cents / quantity / 100).toFixed(2),
      quantity,
      line_total: total,
    });
    if (status !== 'pending' && (status !== 'cancelled' || declined)) {
      payments?.push({
        id: index + 1,
        order_id: id('b', index),
        user_id: id('a', user),
        amount: total,
        refunded_amount: status === 'refunded' ? total : '0',
        currency,
        method: ['card', 'wallet', 'bank_transfer', 'voucher'][index % 4],
        status: declined ? 'failed' : status === 'refunded' ? 'refunded' : 'captured',
        captured_at: declined ? null : at(placed + 800),
      });
    }
    const isEnded = status !== 'pending';
    const duration = 400 + ((index * 131) % 900) + (index % 40 === 39 ? 6_000 : 0);
    sagas?.push({
      id: id('d', index),
      order_id: id('b', index),
      kind: 'place-order',
      state: status === 'cancelled' ? 'compensated' : isEnded ? 'completed' : 'running',
      reason:
        status === 'cancelled'
          ? declined
            ? 'the payment was declined'
            : 'there is not enough stock'
          : null,
      created_at: at(placed),
      ended_at: isEnded ? at(placed + duration) : null,
    });
    steps?.push(
      {
        saga_id: id('d', index),
        step: 'reserve-stock',
        direction: 'do',
        state: status === 'cancelled' && !declined ? 'refused' : 'done',
        attempts: 1,
        started_at: at(placed + 50),
      },
      ...(status === 'cancelled' && !declined
        ? []
        : [
            {
              saga_id: id('d', index),
              step: 'charge',
              direction: 'do',
              state: declined ? 'refused' : isEnded ? 'done' : 'started',
              attempts: index % 9 === 8 ? 2 : 1,
              started_at: at(placed + 300),
            },
          ]),
    );
    reservations?.push({
      order_id: id('b', index),
      line_no: 1,
      product_id: id('c', product),
      warehouse_code: 'BER',
      quantity,
      status: status === 'shipped' ? 'shipped' : status === 'cancelled' ? 'released' : 'held',
    });
    movements?.push({
      id: index * 2 + 1,
      product_id: id('c', product),
      warehouse_code: 'BER',
      kind: 'reservation',
      quantity,
      order_id: id('b', index),
      created_at: at(placed + 60),
    });
    if (status === 'shipped')
      movements?.push({
        id: index * 2 + 2,
        product_id: id('c', product),
        warehouse_code: 'BER',
        kind: 'shipment',
        quantity: -quantity,
        order_id: id('b', index),
        created_at: at(placed + 20 * SECOND),
      });
  }
  await insertShopRows(client, 'orders.orders', orders ?? []);
  await insertShopRows(client, 'orders.order_lines', lines ?? []);
  await insertShopRows(client, 'orders.sagas', sagas ?? []);
  await insertShopRows(client, 'orders.saga_steps', steps ?? []);
  await insertShopRows(client, 'payments.payments', payments ?? []);
  await insertShopRows(client, 'inventory.reservations', reservations ?? []);
  await insertShopRows(client, 'inventory.stock_movements', movements ?? []);
  await refreshFacts(client);
  await fillOps(client, now);
  return {
    orders: count,
    customers,
    revenue,
    lowStock: levels.filter(
      ({ on_hand, reserved, reorder_point }) => on_hand - reserved <= reorder_point,
    ).length,
    openLetters: 1,
  };
}

async function fillOps(client: Warehouse, now: number): Promise<void> {
  const at = (ms: number) => new Date(ms).toISOString();
  const tables = {
    users: ['users'],
    catalog: ['products'],
    inventory: ['reservations', 'stock_movements', 'stock_levels'],
    orders: ['orders', 'order_lines', 'sagas', 'saga_steps'],
    payments: ['payments'],
  };
  const seconds = Array.from({ length: 300 }, (_, index) => now - 1_000 - index * 3 * SECOND);
  const insert = async (table: string, values: Record<string, unknown>[]) =>
    client.insert({
      table: `ops.${table}`,
      values,
      format: 'JSONEachRow',
      clickhouse_settings: { date_time_input_format: 'best_effort' },
    });
  await insert(
    'freshness',
    Object.entries(tables).flatMap(([source, names], place) =>
      seconds.flatMap((time, index) =>
        names.map((table_name) => ({
          observed_at: at(time),
          process: 'sample:1',
          source,
          table_name,
          changes: 1 + ((index * (place + 3)) % 9),
          lag_p50_ms: 180 + ((index * 37 + place * 60) % 120),
          lag_p99_ms: 420 + ((index * 53) % 300) + (index % 71 === 70 ? 900 : 0),
          lag_max_ms: 900,
          last_committed_at: at(time - 200),
        })),
      ),
    ),
  );
  await insert(
    'source_looks',
    Object.keys(tables).flatMap((source, place) =>
      Array.from({ length: 120 }, (_, index) => ({
        looked_at: at(now - index * 15 * SECOND),
        process: 'sample:1',
        source,
        connector_state: 'RUNNING',
        slot_active: true,
        wal_status: 'reserved',
        retained_bytes: 60_000 + ((index * 7_919 * (place + 1)) % 400_000),
        safe_bytes: 2_147_000_000,
        replication_lag_bytes: (index * 131) % 4_000,
        consumer_lag: (index * 17 * (place + 2)) % 60,
      })),
    ),
  );
  await insert('first_loads', [
    {
      source: 'users',
      state: 'copying',
      slot_lsn: '0/1',
      reason: '',
      started_at: at(now - MINUTE),
    },
  ]);
  await insert('first_load_tables', [
    {
      source: 'users',
      table_schema: 'public',
      table_name: 'users',
      rows_expected: 500_000,
      rows_copied: 325_000,
      is_done: 0,
    },
  ]);
  const letter = (offset: number) => ({
    dead_lettered_at: at(now - offset * MINUTE),
    topic: 'orders.public.orders',
    partition: 0,
    offset,
    code: 'RECORD_MALFORMED',
    reason: 'the body ends in the middle of field total',
    key_bytes: '',
    value_bytes: '',
  });
  await insert('dead_letters', [letter(3), letter(9)]);
  await insert('dead_letter_resolutions', [
    { topic: 'orders.public.orders', partition: 0, offset: 9, state: 'replayed' },
  ]);
  await insert('schema_history', [
    {
      seen_at: at(now - 30 * MINUTE),
      source: 'users',
      table_schema: 'public',
      table_name: 'users',
      schema_id: 7,
      change: 'added column phone',
      action: 'applied',
    },
  ]);
}
