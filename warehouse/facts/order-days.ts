import type { DayRollup } from './day-rollup.ts';

/**
 * How many orders were placed a day, and what became of them. The day of their payment is told apart
 * too, so that what was paid a day can be added up from the same entries.
 */
export const ORDER_DAYS: DayRollup = {
  name: 'order_days',
  of: 'orders',
  entry: [
    ['paid_day', 'Nullable(Date)'],
    ['status', 'LowCardinality(String)'],
    ['currency', 'LowCardinality(String)'],
    ['country', 'LowCardinality(String)'],
    ['payment_method', 'LowCardinality(String)'],
    ['cancel_reason', 'Nullable(String)'],
    ['orders', 'UInt64'],
    ['total', 'Decimal(38, 2)'],
    ['refunded', 'Decimal(38, 2)'],
  ],
  comment: 'What mart daily_orders is made of; read the mart instead',
  // The time of placement is part of the key: an order that moved or went left a row behind that says so.
  touched: (block) =>
    `SELECT toDate(placed_at) AS day FROM facts.orders WHERE _block_number > ${block}`,
  days: 'SELECT DISTINCT toDate(placed_at) AS day FROM facts.orders FINAL',
  entries: (days) =>
    `SELECT
       toDate(placed_at) AS day, toDate(paid_at) AS paid_day, status, currency, ifNull(buyer_country, 'unknown') AS country,
       ifNull(payment_method, 'unknown') AS method, cancel_reason, count(), sum(total), sum(refunded)
     FROM facts.orders FINAL
     WHERE date_trunc('day', placed_at) IN (${days})
     GROUP BY day, paid_day, status, currency, country, method, cancel_reason`,
};
