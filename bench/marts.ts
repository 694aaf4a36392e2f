import { Secret } from '#runtime/config.ts';
import { createLogger } from '#runtime/log.ts';
import { loadDefinitions } from '../dashboards/definition/load-definitions.ts';
import type { RANGES } from '../dashboards/definition/definition.ts';
import { queryPanel } from '../dashboards/server/panel-query.ts';
import { parseTimeRange } from '../dashboards/server/time-range.ts';
import { connectAnalyst } from '../dashboards/server/analyst-client.ts';
import { connectWarehouse, type Warehouse } from '../pipeline/sink/clickhouse-client.ts';
import { createShopTables, numberedId as id } from '../pipeline/testing/shop-tables.ts';
import { applyMarts } from '../warehouse/marts/apply-marts.ts';
import { readMartFiles } from '../warehouse/marts/mart-files.ts';
import { refreshFacts } from '../warehouse/marts/watch-marts.ts';
import { migrate } from '../warehouse/migrate.ts';
import { startEmbeddedWarehouse } from '../warehouse/testing/embedded-server.ts';
import { median } from './quantiles.ts';

/** How long a panel's query takes, over a shop with many orders. */
export interface PanelResult {
  /** `<dashboard>/<panel>`. */
  readonly panel: string;
  /** Of the page. */
  readonly range: string;
  /** Median of the rounds, milliseconds. */
  readonly ms: number;
}

/** What a bench of the marts has found. */
export interface MartsResult {
  readonly orders: number;
  /** Seconds to compute the facts as a whole. */
  readonly wholeSeconds: number;
  /** Milliseconds to bring them up to a change of a hundred orders, median. */
  readonly refreshMs: number;
  readonly panels: readonly PanelResult[];
}

const DAYS = 90;
const ROUNDS = 3;
/** Changed orders of one refresh. */
const CHANGED = 100;
const AT_ONCE = 1_000_000;
/** Ranges that are measured: what pages show at first, and the most they show. */
const MEASURED = ['1h', '24h', '90d'] as const satisfies readonly (keyof typeof RANGES)[];

/**
 * Fills a warehouse with so many orders over 90 days, two lines each, and asks it the query of every
 * panel as an analyst, who has two threads.
 */
export async function measureMarts(
  orders: number,
  say: (text: string) => void,
): Promise<MartsResult> {
  await using warehouse = await startEmbeddedWarehouse();
  const address = { url: warehouse.url, user: 'default', password: new Secret('') };
  const writer = connectWarehouse(address, 'bench');
  const analyst = connectAnalyst({ ...address, user: 'analyst' }, 1);
  const log = createLogger('bench', 'silent');
  const { signal } = new AbortController();
  try {
    await migrate(writer, { log, signal });
    await createShopTables(writer);
    for (let begin = 0; begin < orders; begin += AT_ONCE) {
      await fill(writer, begin, Math.min(AT_ONCE, orders - begin), orders);
      say(`  ${(begin + Math.min(AT_ONCE, orders - begin)).toLocaleString('en-US')} orders`);
    }
    const began = performance.now();
    await refreshFacts(writer);
    const wholeSeconds = (performance.now() - began) / 1_000;
    await applyMarts(writer, await readMartFiles(), { applied: new Map(), log });
    const refreshes: number[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      await change(writer, round, orders);
      const start = performance.now();
      await refreshFacts(writer);
      refreshes.push(performance.now() - start);
    }
    const panels: PanelResult[] = [];
    for (const { id, panels: all, variables } of await loadDefinitions()) {
      for (const panel of all) {
        for (const range of MEASURED) {
          const times: number[] = [];
          for (let round = 0; round < ROUNDS; round += 1) {
            const start = performance.now();
            await queryPanel(
              analyst,
              panel.sql,
              {
                range: parseTimeRange(new URLSearchParams({ range }), Date.now(), '1h'),
                variables: Object.fromEntries(variables.map(({ name }) => [name, ''])),
              },
              signal,
            );
            times.push(performance.now() - start);
          }
          panels.push({ panel: `${id}/${panel.id}`, range, ms: median(times) });
        }
      }
    }
    return { orders, wholeSeconds, refreshMs: median(refreshes), panels };
  } finally {
    await writer.close();
    await analyst.close();
  }
}

/** Orders of numbers from `begin` on, with all that belongs to them. */
async function fill(client: Warehouse, begin: number, count: number, all: number): Promise<void> {
  const users = Math.ceil(all / 20);
  const at = `now64(6) - toIntervalMillisecond(intDiv((${all} - n) * ${DAYS * 86_400_000}, ${all}))`;
  const isPaid = 'n % 11 != 0';
  const statements = [
    `orders__orders (id, order_number, user_id, user_name, status, total, currency, placed_at, paid_at, _version)
     SELECT ${id('order', 'n')}, n, ${id('user', `n * 7919 % ${users}`)}, 'A buyer',
       if(${isPaid}, ['paid', 'shipped', 'refunded'][n % 3 + 1], 'cancelled'),
       n % 10000 / 100 + 5, ['EUR', 'EUR', 'USD'][n % 3 + 1], ${at}, if(${isPaid}, ${at} + 1, NULL), 1`,
    `payments__payments (id, order_id, amount, currency, method, status, captured_at, _version)
     SELECT n, ${id('order', 'n')}, n % 10000 / 100 + 5, 'EUR', ['card', 'wallet'][n % 2 + 1],
       if(${isPaid}, 'captured', 'failed'), if(${isPaid}, ${at} + 1, NULL), 1`,
    `orders__sagas (id, order_id, kind, state, created_at, ended_at, _version)
     SELECT ${id('saga', 'n')}, ${id('order', 'n')}, 'place-order', if(${isPaid}, 'completed', 'compensated'),
       ${at}, ${at} + toIntervalMillisecond(400 + sipHash64(n) % 3000), 1`,
    `orders__order_lines (order_id, line_no, product_id, product_name, quantity, line_total, _version)
     SELECT ${id('order', 'n')}, line, ${id('product', '(n + line) % 200')}, concat('Product ', toString((n + line) % 200)),
       line, n % 10000 / 200, 1`,
    `inventory__reservations (order_id, line_no, product_id, warehouse_code, quantity, status, _version)
     SELECT ${id('order', 'n')}, line, ${id('product', '(n + line) % 200')}, 'BER', line,
       if(${isPaid}, 'shipped', 'released'), 1`,
  ];
  for (const statement of statements) {
    const lines = statement.includes('line_no') ? ' ARRAY JOIN [1, 2] AS line' : '';
    await client.command({
      query: `INSERT INTO current.${statement} FROM (SELECT number + ${begin} AS n FROM numbers(${count}))${lines}`,
    });
  }
  if (begin > 0) return;
  await client.command({
    query: `INSERT INTO current.users__users (id, name, country, status, created_at, _version)
            SELECT ${id('user', 'n')}, concat('User ', toString(n)), ['DE', 'FR', 'US', 'PL', 'GB'][n % 5 + 1], 'active',
              now64(6) - toIntervalSecond(n % ${DAYS * 86_400}), 1
            FROM (SELECT number AS n FROM numbers(${users}))`,
  });
}

/** Orders go on: half of them the newest, half from all times, so that a small part reaches over all others. */
async function change(client: Warehouse, round: number, all: number): Promise<void> {
  const half = CHANGED / 2;
  const step = Math.floor(all / half);
  await client.command({
    query: `INSERT INTO current.orders__orders
            SELECT * REPLACE ('shipped' AS status, _version + ${round} + 1 AS _version)
            FROM current.orders__orders FINAL
            WHERE id IN (SELECT ${id('order', 'n')}
                         FROM (SELECT if(number < ${half}, ${all} - 1 - number, (number - ${half}) * ${step} + ${round}) AS n
                               FROM numbers(${CHANGED})))`,
  });
}
