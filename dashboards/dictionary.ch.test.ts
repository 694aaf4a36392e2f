import type { Browser } from 'puppeteer-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { launchBrowser } from './testing/browser.ts';
import { LOOKS, OpenedPage } from './testing/opened-page.ts';
import { startPages, type RunningPages } from './testing/running-pages.ts';
import { createSampleTables } from './testing/sample-shop.ts';

let pages: RunningPages;
let browser: Browser;
let tab: OpenedPage;

beforeAll(async () => {
  pages = await startPages();
  await createSampleTables(pages.writer);
  await pages.writer.insert({
    table: 'ops.source_columns',
    format: 'JSONEachRow',
    values: [
      { source: 'users', table_schema: 'public', table_name: 'users', number: 2 }, //
    ].map((row) => ({ ...row, name: 'full_name', published: 'name', type: 'text', is_gone: 0 })),
  });
  browser = await launchBrowser();
  tab = await OpenedPage.in(browser, pages.url);
});
afterAll(async () => {
  await browser?.close();
  await pages?.[Symbol.asyncDispose]();
});

test('every table and column of marts and ops says what it means', async () => {
  const result = await pages.writer.query({
    query: `SELECT concat(database, '.', table, '.', name) AS place FROM system.columns
            WHERE database IN ('marts', 'ops') AND comment = ''
            UNION ALL
            SELECT concat(database, '.', name) FROM system.tables
            WHERE database IN ('marts', 'ops') AND comment = '' AND name != 'migration_lock'`,
    format: 'JSONEachRow',
  });
  expect(await result.json()).toEqual([]);
});

test.each(LOOKS)('the dictionary stands in $scheme at $width', async (look) => {
  await tab.open('/dictionary', look);
  expect(await tab.texts('[id="marts.customers"] .hint')).toEqual(['Reads facts.customers']);
  const lineage = await tab.texts('[id="users.users"] tbody tr');
  expect(lineage.filter((row) => row.includes('public.users.full_name text'))).toHaveLength(1);
  await tab.page.click('[id="ops.verifications"] summary');
  expect(await tab.texts('[id="ops.verifications"][open] tbody tr:nth-child(2)')).toEqual([
    expect.stringContaining('The same for all tables that one command compared'),
  ]);
  expect(await tab.faults()).toEqual([]);
});
