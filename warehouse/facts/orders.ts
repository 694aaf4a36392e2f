import type { Fact, Scope } from './fact.ts';

const TIME = "DateTime64(6, 'UTC')";

/**
 * Orders with buyer, lines, payment, stock and saga. Sorted by the time of placement, by which
 * pages ask; by `settled_at`, which follows it closely, whole ranges are left out.
 */
export const ORDERS_FACT: Fact = {
  name: 'orders',
  needs: [
    'orders.orders',
    'orders.order_lines',
    'orders.sagas',
    'users.users',
    'payments.payments',
    'inventory.reservations',
  ],
  keys: { table: 'current.orders__orders', column: 'id' },
  table: `CREATE TABLE IF NOT EXISTS facts.orders
    (
      order_id          UUID,
      order_number      Int64,
      placed_at         ${TIME},
      status            LowCardinality(String),
      currency          LowCardinality(String),
      total             Decimal(12, 2),
      line_count        UInt64,
      item_count        Nullable(Int64),
      is_gift           Bool,
      buyer_id          UUID,
      buyer_name        String,
      buyer_name_now    Nullable(String),
      buyer_country     LowCardinality(Nullable(String)),
      paid_at           Nullable(${TIME}),
      closed_at         Nullable(${TIME}),
      cancel_reason     Nullable(String),
      payment_id        Nullable(Int64),
      payment_status    LowCardinality(Nullable(String)),
      payment_method    LowCardinality(Nullable(String)),
      payment_attempts  UInt64,
      captured          Decimal(12, 2),
      refunded          Decimal(12, 2),
      stock_state       LowCardinality(String),
      saga_state        LowCardinality(Nullable(String)),
      saga_reason       Nullable(String),
      saga_duration_ms  Nullable(Int64),
      line_products     Array(UUID)                   COMMENT 'Product of each line',
      line_names        Array(LowCardinality(String)) COMMENT 'Name of the product of each line, when it was ordered',
      line_quantities   Array(Int64)                  COMMENT 'Pieces of each line',
      line_totals       Array(Decimal(12, 2))         COMMENT 'Amount of each line, in currency',
      _version          UInt64                        COMMENT 'How much of the tables the row contains; the highest counts',
      _deleted          UInt8                         COMMENT '1 when there is no such row any more',
      settled_at        ${TIME} MATERIALIZED ifNull(paid_at, placed_at) COMMENT 'What paid_at is looked up by: an index over NULLs leaves nothing out',
      INDEX settled_at settled_at TYPE minmax GRANULARITY 1
    )
    ENGINE = ReplacingMergeTree(_version, _deleted) ORDER BY (placed_at, order_id)
    SETTINGS enable_block_number_column = 1
    COMMENT 'What mart orders is made of; read the mart instead'`,
  touched: {
    'orders.orders': (block) => inserted('orders__orders', 'id', block),
    'orders.order_lines': (block) => inserted('orders__order_lines', 'order_id', block),
    'inventory.reservations': (block) => inserted('inventory__reservations', 'order_id', block),
    'orders.sagas': (block) => everOf('orders__sagas', block),
    'payments.payments': (block) => everOf('payments__payments', block),
    'users.users': (block) =>
      `SELECT DISTINCT toString(id) AS key FROM current.orders__orders
       WHERE user_id IN (SELECT id FROM current.users__users WHERE _block_number > ${block})`,
  },
  rows,
  gone: {
    columns: 'placed_at, order_id',
    select: (scope) =>
      `SELECT DISTINCT assumeNotNull(log.placed_at) AS placed_at, log.id AS order_id
       FROM changes.orders__orders AS log
       LEFT JOIN (SELECT id, toNullable(placed_at) AS placed_at FROM orders.orders WHERE ${scope('id')}) AS now
         ON now.id = log.id
       WHERE ${scope('log.id')} AND isNotNull(log.placed_at)
         AND (isNull(now.placed_at) OR now.placed_at != log.placed_at)`,
  },
};

/** Orders that inserted rows name in their key. */
function inserted(table: string, column: string, block: string): string {
  return `SELECT DISTINCT toString(${column}) AS key FROM current.${table} WHERE _block_number > ${block}`;
}

/**
 * Orders that inserted rows belong to or have ever belonged to. The change log knows the order of a
 * row that was deleted or moved; what has only just come may not be in it yet.
 */
function everOf(table: string, block: string): string {
  return `SELECT DISTINCT toString(order_id) AS key FROM current.${table} WHERE _block_number > ${block}
    UNION DISTINCT
    SELECT DISTINCT toString(assumeNotNull(order_id)) AS key FROM changes.${table}
    WHERE isNotNull(order_id) AND id IN (SELECT id FROM current.${table} WHERE _block_number > ${block})`;
}

/**
 * Rows of orders in a table with a key of its own. Keys are looked up first, in all versions: the
 * newest version of each row in the table need not be found only to leave most of them out.
 */
function belongingTo(table: string, scope: Scope): string {
  return `id IN (SELECT id FROM current.${table} WHERE ${scope('order_id')}) AND ${scope('order_id')}`;
}

function rows(scope: Scope): string {
  return `SELECT
    o.id, o.order_number, o.placed_at, o.status, o.currency, o.total,
    -- An order has lines: while there are none, they have yet to come.
    l.line_count, if(l.line_count = 0, NULL, l.item_count), o.gift, o.user_id,
    -- Of somebody whom users does not know any more, what orders has.
    if(b.name = '', o.user_name, b.name), u.name, u.country,
    o.paid_at, o.closed_at, o.cancel_reason,
    p.payment_id, p.payment_status, p.payment_method, p.attempts, p.captured, p.refunded,
    if(r.stock_state = '', 'none', r.stock_state),
    s.saga_state, s.saga_reason, s.saga_duration_ms,
    l.lines.2, l.lines.3, l.lines.4, l.lines.5
  FROM (SELECT * FROM orders.orders WHERE ${scope('id')}) AS o
  LEFT JOIN
  (
    SELECT
      order_id,
      count() AS line_count,
      sum(quantity) AS item_count,
      arraySort(groupArray(tuple(line_no, product_id, product_name, quantity, line_total))) AS lines
    FROM orders.order_lines
    WHERE ${scope('order_id')}
    GROUP BY order_id
  ) AS l ON l.order_id = o.id
  LEFT JOIN
  (
    SELECT id, toNullable(name) AS name, toNullable(toString(country)) AS country
    FROM users.users
    WHERE id IN (SELECT user_id FROM orders.orders WHERE ${scope('id')})
  ) AS u ON u.id = o.user_id
  LEFT JOIN
  (
    -- The name that was the buyer's then, or the first that is known. The change log comes second:
    -- what has only just come is in the current table alone.
    SELECT
      w.id AS order_id,
      if(
        countIf(v.since <= w.placed_at) = 0,
        argMin(v.name, v.version),
        argMaxIf(v.name, v.version, v.since <= w.placed_at)
      ) AS name
    FROM (SELECT id, user_id, placed_at FROM orders.orders WHERE ${scope('id')}) AS w
    JOIN
    (
      SELECT id, assumeNotNull(log.name) AS name, _version AS version, _committed_at AS since
      FROM changes.users__users AS log
      WHERE isNotNull(log.name) AND id IN (SELECT user_id FROM orders.orders WHERE ${scope('id')})
      UNION ALL
      SELECT id, name, _version, _committed_at
      FROM current.users__users
      WHERE _deleted = 0 AND id IN (SELECT user_id FROM orders.orders WHERE ${scope('id')})
    ) AS v ON v.id = w.user_id
    GROUP BY w.id
  ) AS b ON b.order_id = o.id
  LEFT JOIN
  (
    -- One row of the payments as a whole: argMax of single columns would skip NULL and so mix rows.
    SELECT
      order_id,
      count() AS attempts,
      argMax(tuple(id, toString(status), toString(method), amount, refunded_amount, captured_at),
             tuple(status != 'failed', id)) AS best,
      toNullable(best.1) AS payment_id,
      toNullable(best.2) AS payment_status,
      toNullable(best.3) AS payment_method,
      CAST(if(isNull(best.6) OR best.2 = 'failed', 0, best.4), 'Decimal(12, 2)') AS captured,
      best.5 AS refunded
    FROM payments.payments
    WHERE ${belongingTo('payments__payments', scope)}
    GROUP BY order_id
  ) AS p ON p.order_id = o.id
  LEFT JOIN
  (
    SELECT order_id, if(uniqExact(status) = 1, any(toString(status)), 'mixed') AS stock_state
    FROM inventory.reservations
    WHERE ${scope('order_id')}
    GROUP BY order_id
  ) AS r ON r.order_id = o.id
  LEFT JOIN
  (
    SELECT
      order_id,
      toNullable(toString(state)) AS saga_state,
      reason AS saga_reason,
      if(isNull(ended_at), NULL, dateDiff('millisecond', created_at, ended_at)) AS saga_duration_ms
    FROM orders.sagas
    WHERE kind = 'place-order' AND ${belongingTo('orders__sagas', scope)}
  ) AS s ON s.order_id = o.id`;
}
