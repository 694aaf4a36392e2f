import type { Fact, Scope } from './fact.ts';

const TIME = "DateTime64(6, 'UTC')";

/** Customers with what they ordered, so that nobody has to go through all orders to know. */
export const CUSTOMERS_FACT: Fact = {
  name: 'customers',
  needs: ['users.users', 'orders.orders'],
  keys: { table: 'current.users__users', column: 'id' },
  table: `CREATE TABLE IF NOT EXISTS facts.customers
    (
      customer_id    UUID,
      name           String,
      country        LowCardinality(String),
      status         LowCardinality(String),
      signed_up_at   ${TIME},
      orders         UInt64,
      paid_orders    UInt64,
      first_order_at Nullable(${TIME}),
      first_paid_at  Nullable(${TIME}),
      last_order_at  Nullable(${TIME}),
      spent          Map(String, Decimal(38, 2)),
      order_days     Array(Date),
      _version       UInt64 COMMENT 'How much of the tables the row contains; the highest counts',
      _deleted       UInt8  COMMENT '1 when there is no such row any more',
      INDEX signed_up_at signed_up_at TYPE minmax GRANULARITY 1
    )
    ENGINE = ReplacingMergeTree(_version, _deleted) ORDER BY customer_id
    COMMENT 'What mart customers is made of; read the mart instead'`,
  touched: {
    'users.users': (block) =>
      `SELECT DISTINCT toString(id) AS key FROM current.users__users WHERE _block_number > ${block}`,
    // Whose they are, and whose they ever were; what has only just come may not be in the log yet.
    'orders.orders': (block) =>
      `SELECT DISTINCT toString(user_id) AS key FROM current.orders__orders WHERE _block_number > ${block}
       UNION DISTINCT
       SELECT DISTINCT toString(assumeNotNull(user_id)) AS key FROM changes.orders__orders
       WHERE isNotNull(user_id) AND id IN (SELECT id FROM current.orders__orders WHERE _block_number > ${block})`,
  },
  rows,
  gone: {
    columns: 'customer_id',
    select: (scope) =>
      `SELECT DISTINCT id AS customer_id FROM current.users__users
       WHERE ${scope('id')} AND id NOT IN (SELECT id FROM users.users WHERE ${scope('id')})`,
  },
};

function rows(scope: Scope): string {
  return `SELECT
    u.id, u.name, toString(u.country), toString(u.status), u.created_at,
    o.orders, o.paid_orders, o.first_order_at, o.first_paid_at, o.last_order_at, o.spent,
    o.order_days
  FROM (SELECT * FROM users.users WHERE ${scope('id')}) AS u
  LEFT JOIN
  (
    SELECT
      user_id,
      count() AS orders,
      countIf(isNotNull(paid_at)) AS paid_orders,
      min(toNullable(placed_at)) AS first_order_at,
      min(paid_at) AS first_paid_at,
      max(toNullable(placed_at)) AS last_order_at,
      sumMapIf(map(toString(currency), toDecimal128(total, 2)), isNotNull(paid_at)) AS spent,
      arraySort(groupUniqArray(toDate(placed_at))) AS order_days
    FROM orders.orders
    -- Keys are looked up first, in all versions: the newest of each row need not be found to leave most out.
    WHERE id IN (SELECT id FROM current.orders__orders WHERE ${scope('user_id')}) AND ${scope('user_id')}
    GROUP BY user_id
  ) AS o ON o.user_id = u.id`;
}
