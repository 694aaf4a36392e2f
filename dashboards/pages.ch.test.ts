import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Page } from 'puppeteer-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { refreshFacts } from '../warehouse/marts/watch-marts.ts';
import { loadDefinitions } from './definition/load-definitions.ts';
import { launchBrowser } from './testing/browser.ts';
import { startPages, type RunningPages } from './testing/running-pages.ts';
import { createSampleTables, fillSampleShop, type SampleShop } from './testing/sample-shop.ts';

const LARGEST_SCRIPTS = 500_000;
const LOOKS = [
  { scheme: 'light', width: 1440, height: 900 },
  { scheme: 'dark', width: 1440, height: 900 },
  { scheme: 'light', width: 390, height: 844 },
] as const;
const AXE = createRequire(import.meta.url).resolve('axe-core/axe.min.js');

const dashboards = await loadDefinitions();
let pages: RunningPages;
let shop: SampleShop;
let browser: Browser;
let page: Page;
/** What the browser complains about: exceptions, errors on its console, breaches of the policy. */
let complaints: string[] = [];

beforeAll(async () => {
  pages = await startPages();
  await createSampleTables(pages.writer);
  shop = await fillSampleShop(pages.writer, Date.now());
  browser = await launchBrowser();
  page = await browser.newPage();
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('console', (message) => {
    if (['error', 'warn'].includes(message.type())) complaints.push(message.text());
  });
});
afterAll(async () => {
  await browser?.close();
  await pages?.[Symbol.asyncDispose]();
});

async function open(path: string, look: (typeof LOOKS)[number] = LOOKS[0]): Promise<void> {
  complaints = [];
  await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: look.scheme }]);
  await page.setViewport({ width: look.width, height: look.height });
  await page.goto(pages.url + path);
}

async function settled(): Promise<void> {
  await page.waitForFunction(
    `document.querySelectorAll('.panel').length > 0 &&
     [...document.querySelectorAll('.panel')].every((panel) => panel.dataset.state !== 'loading')`,
  );
}

const text = async (selector: string) => {
  await page.waitForSelector(selector);
  const all = await page.evaluate(
    `[...document.querySelectorAll(${JSON.stringify(selector)})].map((element) => element.textContent)`,
  );
  return all as string[];
};

async function seriousFindings(): Promise<unknown> {
  await page.evaluate(await readFile(AXE, 'utf8'));
  return page.evaluate(
    `axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) => violations
       .filter(({ impact }) => impact === 'serious' || impact === 'critical')
       .map(({ id, nodes }) => ({ id, nodes: nodes.map(({ html }) => html.slice(0, 160)) })))`,
  );
}

describe.each(dashboards)('$title', ({ id, panels }) => {
  test.each(LOOKS)('stands in $scheme at $width, and nothing is wrong with it', async (look) => {
    await open(`/d/${id}`, look);
    await settled();
    const states = await page.evaluate(
      `[...document.querySelectorAll('.panel')].map((panel) => panel.dataset.state)`,
    );
    expect(states).toHaveLength(panels.length);
    expect(states).not.toContain('error');
    expect(states).not.toContain('waiting');
    expect(await seriousFindings()).toEqual([]);
    expect(complaints).toEqual([]);
    const overflow = await page.evaluate(
      'document.documentElement.scrollWidth - document.documentElement.clientWidth',
    );
    expect(overflow).toBe(0);
  });
});

test('numbers are those that the tables hold, and follow them', async () => {
  await open('/d/overview?range=6h');
  await settled();
  expect(await text('[data-panel=orders] .stat-value')).toEqual([String(shop.orders)]);
  const euros = (shop.revenue['EUR'] ?? 0) / 100;
  const [revenue = ''] = await text('[data-panel=revenue] .stat-value');
  expect(Number(revenue.replaceAll(/[^\d.]/g, ''))).toBe(euros);
  await pages.writer.command({
    query: `INSERT INTO current.orders__orders (id, order_number, status, total, currency, placed_at, _version)
            VALUES (generateUUIDv4(), 1, 'pending', 1, 'EUR', now64(6), 1000)`,
  });
  await refreshFacts(pages.writer);
  await page.waitForFunction(
    `document.querySelector('[data-panel=orders] .stat-value').textContent === '${shop.orders + 1}'`,
  );
  expect(complaints).toEqual([]);
});

test('the time and the filters are in the address, and Back goes back', async () => {
  await open('/d/orders?range=6h');
  await settled();
  await page.waitForSelector('.filter option[value=USD]');
  await page.select('.filter select', 'USD');
  await page.waitForFunction(
    `document.querySelectorAll('[data-panel=revenue] .figure').length === 1`,
  );
  expect(new URL(page.url()).search).toBe('?range=6h&currency=USD');
  await page.goBack();
  await page.waitForFunction(
    `document.querySelectorAll('[data-panel=revenue] .figure').length === 2`,
  );
  expect(new URL(page.url()).search).toBe('?range=6h');
});

test('a point leads to the rows behind it, without a pointer too', async () => {
  await open('/d/overview?range=6h');
  await settled();
  await page.click('[data-panel=orders_over_time] button[aria-label$="as a table"]');
  const [time, status, count] = await text(
    '[data-panel=orders_over_time] tbody tr:nth-child(1) td',
  );
  expect([time, status]).toEqual([
    expect.stringMatching(/\d\d:\d\d/),
    expect.stringMatching(/[a-z]+/),
  ]);
  await page.focus('[data-panel=orders_over_time] tbody tr:nth-child(1) button');
  await page.keyboard.press('Enter');
  await page.waitForSelector('dialog[open] tbody tr');
  expect(await text('dialog tbody tr')).toHaveLength(Number(count));
  expect(await seriousFindings()).toEqual([]);
  await page.keyboard.press('Escape');
  await page.waitForFunction(`document.querySelector('dialog') === null`);
});

test('the rows of a panel are downloaded as they are shown, as CSV and as Parquet', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tributary-download-'));
  const client = await page.createCDPSession();
  await client.send('Browser.setDownloadBehavior', { behavior: 'allow', downloadPath: folder });
  await open('/d/orders?range=6h&currency=USD');
  await settled();
  for (const as of ['CSV', 'Parquet']) {
    await page.click('[data-panel=list] .download summary');
    await page.click(`[data-panel=list] .download a[aria-label$="as ${as}"]`);
    await expect
      .poll(() => readdir(folder), { timeout: 15_000 })
      .toContain(`orders-list.${as.toLowerCase()}`);
  }
  const [head, ...lines] = (await readFile(join(folder, 'orders-list.csv'), 'utf8'))
    .trim()
    .split('\n');
  expect(head).toMatch(/^"order_number","placed_at","status","total","currency"/);
  expect(lines).toHaveLength((await text('[data-panel=list] tbody tr')).length);
  expect(lines.every((line) => line.includes('"USD"'))).toBe(true);
  const parquet = await readFile(join(folder, 'orders-list.parquet'));
  expect([parquet.subarray(0, 4), parquet.subarray(-4)].map(String)).toEqual(['PAR1', 'PAR1']);
  expect(complaints).toEqual([]);
  await rm(folder, { recursive: true });
});

test('a page loads quickly and is no larger than it may be', async () => {
  for (const path of ['/d/overview', '/sql']) {
    await open(path);
    await page.waitForFunction(`performance.getEntriesByName('first-contentful-paint').length > 0`);
    const bytes = await page.evaluate(
      `performance.getEntriesByType('resource').filter(({ name }) => name.endsWith('.js'))
         .reduce((sum, { encodedBodySize }) => sum + encodedBodySize, 0)`,
    );
    expect(bytes).toBeLessThan(LARGEST_SCRIPTS);
  }
});

test('the query of a panel stands on the SQL page with its values, and says the same', async () => {
  await open('/d/overview?range=6h');
  await settled();
  const [shown = ''] = await text('[data-panel=orders] .stat-value');
  const href = await page.evaluate(
    `document.querySelector('[data-panel=orders] .panel-tools a').getAttribute('href')`,
  );
  await open(String(href));
  await page.waitForSelector('.output[data-state=done]');
  expect(await text('.grid-row')).toEqual([`${shown}0`]);
  expect(complaints).toEqual([]);
});

describe('SQL', () => {
  const sqlPath = (sql: string) => `/sql?${new URLSearchParams({ sql }).toString()}`;
  const finished = async () => page.waitForSelector('.output[data-state=done]');

  test.each(LOOKS)('stands in $scheme at $width, and nothing is wrong with it', async (look) => {
    await open(
      sqlPath('SELECT order_number, total FROM orders.orders ORDER BY order_number'),
      look,
    );
    await finished();
    await page.waitForSelector('.tree details');
    expect(await text('.run-status')).toEqual([expect.stringMatching(/^24\d rows in /)]);
    expect(await seriousFindings()).toEqual([]);
    expect(complaints).toEqual([]);
  });

  test('of many rows those in sight are in the page', async () => {
    await open(sqlPath('SELECT number FROM numbers(15000)'));
    await finished();
    expect((await text('.grid-row')).length).toBeLessThan(100);
    await page.evaluate(`document.querySelector('.result-grid').scrollTop = 1e9`);
    await page.waitForFunction(
      `[...document.querySelectorAll('.grid-row')].at(-1).textContent === '14999'`,
    );
  });

  test('what is typed is completed from the warehouse, and runs', async () => {
    await open('/sql');
    await page.waitForSelector('.tree details');
    await page.evaluate(`document.querySelector('.cm-content').focus()`);
    await page.keyboard.down('Control');
    await page.keyboard.press('a');
    await page.keyboard.up('Control');
    await page.keyboard.type('SELECT count() FROM marts.saga_out');
    await page.waitForSelector('.cm-tooltip-autocomplete');
    expect(await text('.cm-tooltip-autocomplete li')).toContain('saga_outcomes');
    await page.waitForFunction(
      `document.querySelector('.cm-tooltip-autocomplete li[aria-selected]')?.textContent === 'saga_outcomes'`,
    );
    // The editor takes no key for a list that has only just opened.
    await page.waitForFunction(
      `(globalThis.openedAt ??= performance.now()) + 150 < performance.now()`,
    );
    await page.keyboard.press('Enter');
    await page.keyboard.down('Control');
    await page.keyboard.press('Enter');
    await page.keyboard.up('Control');
    await finished();
    expect(await text('.grid-row')).toEqual([String(shop.orders)]);
    expect(complaints).toEqual([]);
  });

  test('an error is told with its place', async () => {
    await open(sqlPath('SELECT order_nr FROM orders.orders'));
    await finished();
    expect(await text('.failure')).toEqual([expect.stringContaining('UNKNOWN_IDENTIFIER (47)')]);
    await page.waitForSelector('.cm-lintRange-error');
    expect(await text('.cm-lintRange-error')).toEqual(['order_nr']);
  });

  test('a query that runs long shows how far it is, and can be cancelled', async () => {
    await open(
      sqlPath('SELECT count() FROM numbers(100000000000) WHERE sipHash64(number) % 7 = 8'),
    );
    await page.waitForFunction(
      `/rows read/.test(document.querySelector('.run-status').textContent)`,
    );
    await page.click('.toolbar button:nth-child(2)');
    await page.waitForFunction(
      `/^Cancelled/.test(document.querySelector('.run-status').textContent)`,
    );
    expect(await text('.toolbar button:disabled')).toContain('Cancel');
  });

  test('a result is drawn as a chart, and downloaded', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'tributary-download-'));
    const client = await page.createCDPSession();
    await client.send('Browser.setDownloadBehavior', { behavior: 'allow', downloadPath: folder });
    await open(
      sqlPath(
        'SELECT toStartOfMinute(placed_at) AS minute, count() AS orders FROM orders.orders GROUP BY minute ORDER BY minute',
      ),
    );
    await finished();
    await page.click('.toolbar button:nth-child(4)');
    await page.waitForSelector('.output .chart canvas');
    await page.click('.toolbar .choices button');
    await expect.poll(() => readdir(folder)).toEqual(['query.csv']);
    expect(await readFile(join(folder, 'query.csv'), 'utf8')).toMatch(/^"minute","orders"\n/);
    expect(complaints).toEqual([]);
    await rm(folder, { recursive: true });
  });
});

test('when the warehouse goes away, a page says that it is not up to date, and comes back', async () => {
  await open('/d/stock');
  await settled();
  await pages.warehouse.stop();
  await page.waitForSelector('.panel[data-state=stale]');
  await page.waitForSelector('.banner:not([hidden])');
  // What was there stays.
  expect(await text('[data-panel=low] .stat-value')).toHaveLength(1);
  await pages.warehouse.start();
  await page.waitForFunction(
    `[...document.querySelectorAll('.panel')].every((panel) => panel.dataset.state !== 'stale')`,
  );
  await page.waitForSelector('.banner[hidden]');
});
