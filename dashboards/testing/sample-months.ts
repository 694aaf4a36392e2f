import type { Warehouse } from '../../pipeline/sink/clickhouse-client.ts';
import { numberedId as id } from '../../pipeline/testing/shop-tables.ts';
import { refreshFacts } from '../../warehouse/marts/watch-marts.ts';

const DAY_MS = 86_400_000;
const ORDERS = 1_500;
/** Some side by side, some where a month before ends. */
const DAYS_AGO = [0, 1, 2, 10, 20, 28, 30, 31, 45, 59];

/**
 * Fills the tables with orders of two months before `now`: of buyers whom users knows and others, paid
 * and ended on the day of their placement and later.
 */
export async function fillSampleMonths(client: Warehouse, now: number): Promise<void> {
  const today = Math.floor(now / DAY_MS) * DAY_MS;
  const daysAgo = `[${DAYS_AGO.join(', ')}][n % ${DAYS_AGO.length} + 1]`;
  const placed = `fromUnixTimestamp64Milli(toInt64(${today} - ${daysAgo} * ${DAY_MS} + n * 7919000 % ${DAY_MS}), 'UTC')`;
  const later = `${placed} + toIntervalMinute(n * 37 % 3000)`;
  const isPaid = 'n % 7 != 0';
  // Days take turns with n; half of all on each of them.
  const half = `intDiv(n, ${DAYS_AGO.length}) % 2 + 1`;
  for (const into of [
    `users__users (id, name, country, status, created_at, _version)
     SELECT ${id('user', 'n')}, 'Somebody', ['DE', 'FR', 'US'][n % 3 + 1], 'active', ${placed}, 1`,
    `orders__orders (id, order_number, user_id, status, total, currency, placed_at, paid_at, cancel_reason, _version)
     SELECT ${id('order', 'n')}, n, ${id('user', `n * 7919 % ${ORDERS + 500}`)},
       if(${isPaid}, ['paid', 'shipped', 'refunded'][n % 3 + 1], 'cancelled'), n % 1000 / 100 + 5,
       ['EUR', 'USD'][${half}], ${placed}, if(${isPaid}, ${later}, NULL), if(${isPaid}, NULL, 'late'), 1`,
    `orders__order_lines (order_id, line_no, product_id, product_name, quantity, line_total, _version)
     SELECT ${id('order', 'n')}, 1, ${id('product', 'n % 7')}, concat('Product ', toString(n % 7)), n % 3 + 1, 5, 1`,
    `payments__payments (id, order_id, amount, refunded_amount, currency, method, status, captured_at, _version)
     SELECT n + 1000000, ${id('order', 'n')}, 5, n % 3, 'EUR', ['card', 'wallet'][${half}], 'captured', ${later}, 1`,
    `orders__sagas (id, order_id, kind, state, created_at, ended_at, _version)
     SELECT ${id('saga', 'n')}, ${id('order', 'n')}, ['place-order', 'ship-order'][${half}],
       if(${isPaid}, 'completed', 'compensated'), ${placed}, if(n % 9 = 0, NULL, ${later}), 1`,
  ]) {
    // As the pipeline does: into the rows as they are now, and into the change log.
    for (const database of ['current', 'changes']) {
      await client.command({
        query: `INSERT INTO ${database}.${into} FROM (SELECT number AS n FROM numbers(${ORDERS}))`,
      });
    }
  }
  await refreshFacts(client);
  // Old rows change, so that facts hold more than one version of them: paid and ended at other times, or not at all.
  for (const [table, time, column] of [
    ['orders__orders', 'placed_at', 'paid_at'],
    ['orders__sagas', 'created_at', 'ended_at'],
  ] as const) {
    const moved = `${time} + INTERVAL 9 DAY`;
    await client.command({
      query: `INSERT INTO current.${table}
              SELECT * REPLACE (if(sipHash64(id) % 2 = 0 AND ${moved} < now64(), ${moved}, NULL) AS ${column}, 2 AS _version)
              FROM current.${table} FINAL WHERE sipHash64(id) % 8 < 2`,
    });
  }
  await refreshFacts(client);
}
