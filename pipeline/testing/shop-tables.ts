import type { ClickHouseClient } from '@clickhouse/client';
import { createTable } from '../sink/table-ddl.ts';
import { textOf } from '../transform/column-type.ts';
import { storageName, type PlannedColumn, type TablePlan } from '../transform/table-plan.ts';

const TIME = "DateTime64(6, 'UTC')";
const LABEL = 'LowCardinality(String)';
const MONEY = 'Decimal(12, 2)';

/**
 * SQL of the id that stands for a number.
 *
 * @param kind - of what it is the id: one number stands for another thing of each kind
 * @param number - SQL; made one type, because a number hashes as its bytes
 */
export function numberedId(kind: string, number: string): string {
  return `reinterpretAsUUID(sipHash128(toUInt64(${number}), '${kind}'))`;
}

/**
 * The shop's tables as the pipeline makes them, by `<source>.<table>`: columns with their types in
 * ClickHouse, `!` before the columns of the key, `?` after a type that may be NULL.
 */
const TABLES = {
  'users.users': {
    '!id': 'UUID',
    email: 'String',
    name: 'String',
    country: 'String',
    phone: 'String?',
    birth_date: 'Date32?',
    status: LABEL,
    marketing_consent: 'Bool?',
    preferences: 'String',
    tags: 'Array(String)',
    loyalty_points: 'Int64',
    login_count: 'Int64',
    last_login_at: `${TIME}?`,
    version: 'Int32',
    created_at: TIME,
    updated_at: TIME,
  },
  'catalog.products': {
    '!id': 'UUID',
    sku: 'String',
    name: 'String',
    description: 'String?',
    category_id: 'Int32?',
    price: MONEY,
    currency: 'String',
    status: LABEL,
    barcode: 'Int64?',
    weight_grams: 'Int32?',
    published_at: `${TIME}?`,
    version: 'Int32',
    created_at: TIME,
    updated_at: TIME,
  },
  'inventory.warehouses': {
    '!code': 'String',
    name: 'String',
    country: 'String',
    accepts_returns: 'Bool',
    created_at: TIME,
    updated_at: TIME,
  },
  'inventory.stock_levels': {
    '!product_id': 'UUID',
    '!warehouse_code': 'String',
    on_hand: 'Int32',
    reserved: 'Int32',
    reorder_point: 'Int32?',
    version: 'Int32',
    created_at: TIME,
    updated_at: TIME,
  },
  'inventory.reservations': {
    '!order_id': 'UUID',
    '!line_no': 'Int64',
    product_id: 'UUID',
    warehouse_code: 'String',
    quantity: 'Int32',
    status: LABEL,
    created_at: TIME,
    updated_at: TIME,
  },
  'inventory.stock_movements': {
    '!id': 'Int64',
    product_id: 'UUID',
    warehouse_code: 'String',
    kind: LABEL,
    quantity: 'Int32',
    order_id: 'UUID?',
    note: 'String?',
    created_at: TIME,
  },
  'orders.orders': {
    '!id': 'UUID',
    order_number: 'Int64',
    user_id: 'UUID',
    user_name: 'String',
    user_email: 'String',
    status: LABEL,
    total: MONEY,
    currency: 'String',
    gift: 'Bool',
    note: 'String?',
    coupon_codes: 'Array(String)',
    shipping_address: 'String?',
    requested_delivery: 'Date32?',
    payment_id: 'Int64?',
    placed_at: TIME,
    paid_at: `${TIME}?`,
    closed_at: `${TIME}?`,
    cancel_reason: 'String?',
    version: 'Int32',
    created_at: TIME,
    updated_at: TIME,
  },
  'orders.order_lines': {
    '!order_id': 'UUID',
    '!line_no': 'Int64',
    product_id: 'UUID',
    product_name: 'String',
    unit_price: MONEY,
    quantity: 'Int32',
    line_total: MONEY,
  },
  'orders.sagas': {
    '!id': 'UUID',
    order_id: 'UUID',
    kind: 'String',
    state: LABEL,
    reason: 'String?',
    input: 'String',
    deadline: `${TIME}?`,
    attempts: 'Int32',
    due_at: TIME,
    lease: 'UUID?',
    leased_until: `${TIME}?`,
    created_at: TIME,
    updated_at: TIME,
    ended_at: `${TIME}?`,
  },
  'orders.saga_steps': {
    '!saga_id': 'UUID',
    '!step': 'String',
    '!direction': LABEL,
    state: LABEL,
    attempts: 'Int32',
    detail: 'String?',
    started_at: TIME,
    ended_at: `${TIME}?`,
  },
  'payments.payments': {
    '!id': 'Int64',
    order_id: 'UUID',
    user_id: 'UUID',
    amount: MONEY,
    refunded_amount: MONEY,
    currency: 'String',
    method: LABEL,
    status: LABEL,
    provider_ref: 'String?',
    failure_reason: 'String?',
    details: 'String',
    captured_at: `${TIME}?`,
    version: 'Int32',
    created_at: TIME,
    updated_at: TIME,
  },
  'payments.refunds': {
    '!id': 'Int64',
    payment_id: 'Int64',
    amount: MONEY,
    reason: 'String?',
    created_at: TIME,
  },
} as const satisfies Record<string, Record<string, string>>;

/** Name of a table of the shop, `<source>.<table>`. */
export type ShopTable = keyof typeof TABLES;

/** The tables that {@link createShopTables} makes. */
export const SHOP_TABLES = Object.keys(TABLES) as readonly ShopTable[];

/** Makes tables of the shop, all or some, without rows: change logs, current views, history. */
export async function createShopTables(
  client: ClickHouseClient,
  tables: readonly ShopTable[] = SHOP_TABLES,
): Promise<void> {
  for (const database of ['changes', 'current', 'history']) {
    await client.command({ query: `CREATE DATABASE IF NOT EXISTS ${database}` });
  }
  for (const table of tables) {
    for (const query of createTable(planOf(table)).statements) await client.command({ query });
  }
}

/**
 * Puts rows into a table of the shop; columns that a row does not name get the default of their
 * type. A later call wins over an earlier one for the same key, as a later change would.
 */
export async function insertShopRows(
  client: ClickHouseClient,
  table: ShopTable,
  rows: readonly Readonly<Record<string, unknown>>[],
): Promise<void> {
  version += 1n;
  for (const database of ['changes', 'current']) {
    await client.insert({
      table: `${database}.${storageName(planOf(table))}`,
      values: rows.map((row) => ({ ...row, _version: version.toString() })),
      format: 'JSONEachRow',
      clickhouse_settings: { date_time_input_format: 'best_effort' },
    });
  }
}

let version = 0n;

function planOf(table: ShopTable): TablePlan {
  const [source, relation] = table.split('.') as [string, string];
  return {
    source,
    schema: 'public',
    table: relation,
    relation,
    columns: Object.entries(TABLES[table]).map(([name, type]) => columnOf(name, type)),
    row: { type: 'record', fields: [] },
    isKeyless: false,
    gone: new Set(),
    isDropped: () => false,
    isInContract: () => false,
    schemaId: 1,
  };
}

function columnOf(text: string, type: string): PlannedColumn {
  const name = text.replace('!', '');
  return {
    name,
    sourceName: name,
    field: name,
    stored: name,
    type: {
      clickhouse: type.replace('?', ''),
      canBeNullable: !type.startsWith('Array'),
      encode: textOf,
    },
    keptAsText: false,
    nullable: type.endsWith('?'),
    isKey: text.startsWith('!'),
  };
}
