import type { Browser } from 'puppeteer-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { launchBrowser } from './testing/browser.ts';
import { LOOKS, OpenedPage } from './testing/opened-page.ts';
import { startPages, type RunningPages } from './testing/running-pages.ts';
import { fillFindings, fillQuietRounds } from './testing/sample-drift.ts';
import { createSampleTables } from './testing/sample-shop.ts';

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

const rules = async () => {
  const result = await pages.writer.query({
    query: 'SELECT rule, state, drifted FROM ops.drift_rules ORDER BY rule',
    format: 'JSONCompactEachRow',
  });
  return result.json();
};

test('before the monitor has looked, nothing is called in step', async () => {
  await tab.open('/d/drift');
  expect(await tab.texts('[data-panel=in_step] .state')).toEqual(['No rule was looked at yet.']);
  expect(await tab.faults()).toEqual([]);
});

test.each(LOOKS)('without drift it says so, in $scheme at $width', async (look) => {
  await pages.writer.command({ query: 'TRUNCATE TABLE ops.drift_rounds' });
  await fillQuietRounds(pages.writer, Date.now());
  await tab.open('/d/drift', look);
  expect(await tab.texts('[data-panel=in_step] .figure')).toEqual(['3of 3']);
  expect(await tab.texts('[data-panel=findings] .state.good')).toEqual([
    '✓No copy is known to differ from its owner.',
  ]);
  expect(await tab.faults()).toEqual([]);
});

describe('with findings', () => {
  let open = 0;

  beforeAll(async () => {
    ({ open } = await fillFindings(pages.writer, Date.now()));
  });

  test.each(LOOKS)(
    'findings are counted and lead to their rows, in $scheme at $width',
    async (look) => {
      await tab.open('/d/drift', look);
      await tab.page.waitForFunction(
        `document.querySelectorAll('[data-panel=findings] tbody tr').length === ${open + 1}`,
      );
      expect(await tab.faults()).toEqual([]);
      await tab.page.click('[data-panel=kinds] button[aria-label$="as a table"]');
      const [kind, rule, count] = await tab.texts('[data-panel=kinds] tbody tr:nth-child(1) td');
      expect([kind, rule]).toEqual(['missed update', 'buyers']);
      await tab.page.focus('[data-panel=kinds] tbody tr:nth-child(1) button');
      await tab.page.keyboard.press('Enter');
      await tab.page.waitForSelector('dialog[open] tbody tr');
      expect(await tab.texts('dialog tbody tr')).toHaveLength(Number(count));
      expect(await tab.faults()).toEqual([]);
    },
  );

  test('a rule leads to its own page, and a piece of its trend to what was open then', async () => {
    await tab.open('/d/drift?range=6h');
    await Promise.all([
      tab.page.waitForNavigation(),
      tab.page.click('[data-panel=rules] tbody tr:nth-child(1) a'),
    ]);
    expect(new URL(tab.page.url()).searchParams.get('rule')).toBe('buyers');
    await tab.open(tab.page.url().slice(pages.url.length));
    await tab.page.click('[data-panel=trend] button[aria-label$="as a table"]');
    const shares = await tab.texts('[data-panel=trend] tbody td:nth-child(3)');
    const peak = shares.indexOf(shares.toSorted((a, b) => Number(b) - Number(a))[0] ?? '');
    expect(Number(shares[0])).toBe(0);
    await tab.page.click(`[data-panel=trend] tbody tr:nth-child(${peak + 1}) button`);
    await tab.page.waitForSelector('dialog[open] tbody tr');
    // 9 that are open still and 24 that healed, each of a copy of its own.
    expect(await tab.texts('dialog tbody tr')).toHaveLength(33);
    expect(Number(shares[peak])).toBeCloseTo(33 / 1_250, 2);
  });

  test('rules say how they stand, also when nobody looks any more', async () => {
    expect(await rules()).toEqual([
      ['buyers', 'drifting', expect.anything()],
      ['order-buyers', 'drifting', expect.anything()],
      ['payment-amounts', 'in step', 0],
    ]);
    await pages.writer.command({ query: 'TRUNCATE TABLE ops.drift_rounds' });
    await fillQuietRounds(pages.writer, Date.now() - 3_600_000);
    expect(await rules()).toEqual(
      Array.from({ length: 3 }, () => [expect.anything(), 'not watched', expect.anything()]),
    );
    await pages.writer.insert({
      table: 'ops.drift_rounds',
      format: 'JSONEachRow',
      values: [
        {
          looked_at: (Date.now() / 1000).toFixed(3),
          rule: 'payment-amounts',
          kind: 'sweep',
          copies: 1,
        },
      ],
    });
    expect(await rules()).toEqual([
      ['buyers', 'removed', expect.anything()],
      ['order-buyers', 'removed', expect.anything()],
      ['payment-amounts', 'in step', 0],
    ]);
  });
});
