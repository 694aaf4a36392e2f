import type { DayRollup } from './day-rollup.ts';

/** What was sold a day: the lines of orders by the day of their payment. */
export const REVENUE_DAYS: DayRollup = {
  name: 'revenue_days',
  of: 'orders',
  entry: [
    ['product_id', 'UUID'],
    ['product_name', 'LowCardinality(String)'],
    ['country', 'LowCardinality(String)'],
    ['currency', 'LowCardinality(String)'],
    ['orders', 'UInt64'],
    ['items', 'Int64'],
    ['revenue', 'Decimal(38, 2)'],
  ],
  comment: 'What mart daily_revenue is made of; read the mart instead',
  // The log knows the time of a payment that was taken back or moved.
  touched: (block) =>
    `SELECT toDate(settled_at) AS day FROM facts.orders WHERE _block_number > ${block} AND isNotNull(paid_at)
     UNION DISTINCT
     SELECT toDate(assumeNotNull(paid_at)) FROM changes.orders__orders
     WHERE isNotNull(paid_at) AND id IN (SELECT order_id FROM facts.orders WHERE _block_number > ${block})`,
  days: 'SELECT DISTINCT toDate(settled_at) AS day FROM facts.orders FINAL WHERE isNotNull(paid_at)',
  entries: (days) =>
    `SELECT
       toDate(settled_at) AS day, product, argMax(name, tuple(settled_at, order_id)), ifNull(buyer_country, 'unknown') AS country, currency,
       countIf(nth = 1), sum(pieces), sum(amount)
     FROM facts.orders FINAL
     ARRAY JOIN line_products AS product, arrayEnumerateUniq(line_products) AS nth, line_names AS name, line_quantities AS pieces, line_totals AS amount
     WHERE isNotNull(paid_at) AND date_trunc('day', settled_at) IN (${days})
       AND date_trunc('hour', placed_at) IN (SELECT date_trunc('hour', placed_at) FROM facts.orders WHERE date_trunc('day', settled_at) IN (${days}))
     GROUP BY day, product, country, currency`,
};
