import type { Browser } from 'puppeteer-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { launchBrowser } from './testing/browser.ts';
import { LOOKS, OpenedPage } from './testing/opened-page.ts';
import { startPages, type RunningPages } from './testing/running-pages.ts';
import { createSampleTables } from './testing/sample-shop.ts';
import { fillCapturedTables, fillVerifications } from './testing/sample-verifications.ts';

let pages: RunningPages;
let browser: Browser;
let tab: OpenedPage;

beforeAll(async () => {
  pages = await startPages();
  await createSampleTables(pages.writer);
  browser = await launchBrowser();
  tab = await OpenedPage.in(browser, pages.url);
});
afterAll(async () => {
  await browser?.close();
  await pages?.[Symbol.asyncDispose]();
});

const value = async (panel: string) => (await tab.texts(`[data-panel=${panel}] .figure`))[0];

test('what is captured and was never compared is told', async () => {
  const { captured } = await fillCapturedTables(pages.writer);
  await tab.open('/d/verification');
  expect(await value('never')).toMatch(new RegExp(`^${captured}\\b`));
  expect(await tab.texts('[data-panel=tables] .tag')).toEqual(
    Array.from({ length: captured }, () => 'never compared'),
  );
  expect(await tab.texts('[data-panel=equal] .state')).toEqual(['No table was compared yet.']);
  expect(await tab.faults()).toEqual([]);
});

test.each(LOOKS)('the last result of each table counts, in $scheme at $width', async (look) => {
  await pages.writer.command({ query: 'TRUNCATE TABLE ops.verifications' });
  await fillVerifications(pages.writer, Date.now());
  await tab.open('/d/verification?range=7d', look);
  expect(await value('equal')).toBe('6of 8');
  expect(await value('differing')).toMatch(/^3\b/);
  expect(await value('never')).toMatch(/^2\b/);
  expect(await tab.texts('[data-panel=tables] .tag')).toEqual([
    'different',
    'failed',
    'never compared',
    'never compared',
    ...Array.from({ length: 6 }, () => 'equal'),
  ]);
  expect(await tab.texts('[data-panel=tables] tbody tr:nth-child(2) td:nth-child(3)')).toEqual([
    'the warehouse has not caught up within 60 s',
  ]);
  expect(await tab.faults()).toEqual([]);
});

test('a point of the history leads to what was compared then', async () => {
  await tab.open('/d/verification?range=7d');
  await tab.page.click('[data-panel=history] button[aria-label$="as a table"]');
  await tab.texts('[data-panel=history] tbody tr');
  await tab.page.click('[data-panel=history] tbody tr:nth-last-child(3) button');
  await tab.page.waitForSelector('dialog[open] tbody tr');
  expect(await tab.texts('dialog tbody td:nth-child(2)')).toEqual([
    'orders.buyers',
    'orders.order_lines',
    'orders.orders',
    'orders.sagas',
  ]);
});
