import type { Browser } from 'puppeteer-core';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Secret } from '#runtime/config.ts';
import { createLogger } from '#runtime/log.ts';
import { serveHttp } from '#runtime/service/http-server.ts';
import { parseCatalog } from '../pipeline/catalog/parse-catalog.ts';
import { openOperator, type Operator } from '../pipeline/operations/operator.ts';
import { WITHHELD_HEADER } from '../pipeline/sink/withhold-masked.ts';
import { migrate } from '../warehouse/migrate.ts';
import { createApp } from './server/app.ts';
import { launchBrowser } from './testing/browser.ts';
import { LOOKS, OpenedPage } from './testing/opened-page.ts';
import { startPages, type RunningPages } from './testing/running-pages.ts';

/*
 * The page of operations over a real warehouse. Broker and source are away: what needs them is
 * tested on the running system, here that it fails and says so.
 */

const TOKEN = 'a-token-of-the-operator';
const CATALOG = `
sources:
  - name: users
    url: postgres://nobody@127.0.0.1:1/users
    tables: [public.*]
    mask:
      public.people.*: drop
`;
const LETTERS = [
  { topic: 'users.public.users', offset: 1, code: 'DECODE_FAILED', content: 'Some bytes' },
  { topic: 'users.public.users', offset: 2, code: 'DECODE_FAILED', content: 'Other bytes' },
  { topic: 'users.public.users', offset: 3, code: 'VALUE_REJECTED', content: 'More' },
  // Set aside before there was a mask, and after.
  { topic: 'users.public.people', offset: 4, code: 'VALUE_REJECTED', content: 'Secret name' },
  { topic: 'users.public.other', offset: 5, code: 'VALUE_REJECTED', content: '' },
];
let pages: RunningPages;
let operator: Operator;
let browser: Browser;
let tab: OpenedPage;

beforeAll(async () => {
  pages = await startPages((address) => {
    operator = openOperator({
      catalog: parseCatalog(CATALOG, 'test.yaml', {}),
      warehouse: { ...address, user: 'default' },
      kafkaBrokers: ['127.0.0.1:1'],
      kafkaGroupId: 'tributary',
      log: createLogger('operator', 'silent'),
    });
    return { access: { token: new Secret(TOKEN), operator } };
  });
  const { signal } = new AbortController();
  await migrate(pages.writer, { log: createLogger('migrate', 'silent'), signal });
  browser = await launchBrowser();
});
afterAll(async () => {
  await browser?.close();
  await operator?.close();
  await pages?.[Symbol.asyncDispose]();
});
beforeEach(async () => {
  await tab?.page.close();
  for (const table of ['dead_letters', 'dead_letter_resolutions', 'operations', 'source_tables']) {
    await pages.writer.command({ query: `TRUNCATE TABLE ops.${table}` });
  }
  await pages.writer.insert({
    table: 'ops.dead_letters',
    format: 'JSONEachRow',
    values: LETTERS.map(({ content, ...letter }) => ({
      ...letter,
      partition: 0,
      reason: 'a reason',
      key_bytes: Buffer.from('key').toString('base64'),
      key_size: 3,
      value_bytes: Buffer.from(content).toString('base64'),
      value_size: content.length,
      headers: content === '' ? { [WITHHELD_HEADER]: 'masked' } : { kind: 'a header' },
    })),
  });
  await pages.writer.insert({
    table: 'ops.source_tables',
    format: 'JSONEachRow',
    values: [{ source: 'users', oid: 1, table_schema: 'public', table_name: 'users' }],
  });
  tab = await OpenedPage.in(browser, pages.url);
});

async function enter(token = TOKEN): Promise<void> {
  await tab.page.waitForSelector('.sign-in');
  await tab.page.type('.sign-in label:nth-of-type(1) input', 'Zoë');
  await tab.page.type('.sign-in label:nth-of-type(2) input', token);
  await tab.page.click('.sign-in button');
}

async function opened(): Promise<void> {
  await tab.open('/operations');
  await enter();
  await tab.page.waitForSelector('.acts button');
}

const press = async (label: string) => {
  const button = await tab.page.waitForSelector(`button[aria-label="${label}"]`);
  await button?.click();
};
const answer = async (which: 'Cancel' | 'go') => {
  await tab.page.waitForSelector('dialog.question');
  await tab.page.click(`dialog .answers button${which === 'go' ? '.primary' : ''}`);
  await tab.page.waitForFunction(`document.querySelector('dialog') === null`);
};

async function operations(): Promise<unknown[]> {
  const result = await pages.writer.query({
    query: `SELECT operation, target, asked_by, asked_via, state, outcome, isNotNull(ended_at) AS is_over
            FROM ops.operations FINAL ORDER BY started_at`,
    format: 'JSONEachRow',
  });
  return result.json();
}

const noted = (about: Record<string, unknown>) => ({
  asked_by: 'Zoë',
  asked_via: 'page',
  is_over: 1,
  ...about,
});

async function openOffsets(): Promise<number[]> {
  const result = await pages.writer.query({
    query: `SELECT offset FROM ops.dead_letters FINAL
            WHERE (topic, partition, offset) NOT IN
              (SELECT topic, partition, offset FROM ops.dead_letter_resolutions) ORDER BY offset`,
    format: 'JSONEachRow',
  });
  return (await result.json<{ offset: string | number }>()).map(({ offset }) => Number(offset));
}

describe('for everybody', () => {
  test.each(LOOKS)('shows what there is, in $scheme at $width', async (look) => {
    await tab.open('/operations', look);
    expect(await tab.texts('[data-panel=groups] tbody tr')).toHaveLength(4);
    expect(await tab.texts('[data-panel=letters] tbody tr')).toHaveLength(LETTERS.length);
    expect(await tab.texts('[data-panel=tables] tbody tr')).toEqual([
      expect.stringContaining('users'),
    ]);
    expect(await tab.page.$('.acts')).toBeNull();
    expect(await tab.faults()).toEqual([]);
  });

  test('without a token of its own the page says how to get one, and nothing can be done', async () => {
    const app = createApp({
      ...pages.parts,
      access: undefined,
      log: createLogger('test', 'silent'),
    });
    const server = await serveHttp(app, 0, '127.0.0.1');
    const url = `http://127.0.0.1:${server.port}`;
    const other = await OpenedPage.in(browser, url);
    await other.open('/operations');
    expect(await other.texts('.door')).toEqual([expect.stringContaining('OPERATOR_TOKEN')]);
    expect(await other.faults()).toEqual([]);
    const response = await fetch(`${url}/api/operations/discard`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', 'X-Operator-Token': TOKEN },
      body: '{}',
    });
    expect(response.status).toBe(404);
    await other.page.close();
    await server.drain(500);
  });
});

describe('for the operator', () => {
  test('a wrong token lets nobody in; the right one is kept in this tab alone', async () => {
    await tab.open('/operations');
    await enter('another-token-altogether');
    await tab.page.waitForSelector('.banner:not([hidden])');
    expect(await tab.page.$('.acts')).toBeNull();
    await opened();
    expect(
      await tab.page.evaluate('[document.cookie, localStorage.length, location.href]'),
    ).toEqual(['', 0, `${pages.url}/operations`]);
    expect(await tab.faults()).toEqual([]);
    await tab.page.reload();
    await tab.page.waitForSelector('.acts button');
    await tab.page.click('.door button');
    await tab.page.waitForSelector('.sign-in');
    expect(await tab.page.$('.acts')).toBeNull();
  });

  test.each(LOOKS)(
    'asks before it discards, and notes who did, $scheme at $width',
    async (look) => {
      await tab.open('/operations', look);
      await enter();
      await tab.page.waitForSelector('.acts button');
      await press('Discard all DECODE_FAILED of users.public.users');
      await tab.page.waitForSelector('dialog.question');
      expect(await tab.texts('dialog li')).toContain(
        'They count as dealt with and are not replayed.',
      );
      expect(await tab.faults()).toEqual([]);
      await answer('Cancel');
      expect(await operations()).toEqual([]);
      await press('Discard all DECODE_FAILED of users.public.users');
      await answer('go');
      await expect.poll(operations, { timeout: 30_000 }).toEqual([
        noted({
          operation: 'discard',
          target: 'users.public.users/0/1, users.public.users/0/2',
          state: 'done',
          outcome: '2 discarded',
        }),
      ]);
      expect(await openOffsets()).toEqual([3, 4, 5]);
      await tab.page.waitForFunction(
        `document.querySelector('[data-panel=operations] tbody td:nth-child(2)')?.textContent === 'Zoë'`,
      );
    },
  );

  test('shows a record, but none of a table with masked columns, and notes that', async () => {
    await opened();
    const bytesOf = async (place: string) => {
      await press(`Look at ${place}`);
      await tab.page.waitForSelector('dialog[open] .dialog-body');
      const [shown = ''] = await tab.texts('dialog .dialog-body');
      expect(await tab.faults()).toEqual([]);
      await tab.page.keyboard.press('Escape');
      await tab.page.waitForFunction(`document.querySelector('dialog') === null`);
      return shown;
    };
    const shown = await bytesOf('users.public.users/0/1');
    expect(shown).toContain('53 6f 6d 65 20 62 79 74 65 73');
    expect(shown).toContain('Some bytes');
    for (const place of ['users.public.people/0/4', 'users.public.other/0/5']) {
      const withheld = await bytesOf(place);
      expect(withheld).toContain('masked columns');
      expect(withheld).not.toMatch(/Secret|53 65 63|a header/);
    }
    expect(await operations()).toEqual(
      [
        ['users.public.users/0/1', 'key and value shown'],
        ['users.public.people/0/4', 'withheld: masked columns'],
        ['users.public.other/0/5', 'withheld: masked columns'],
      ].map(([target, outcome]) => noted({ operation: 'look', target, state: 'done', outcome })),
    );
    const state = await fetch(`${pages.url}/api/operations`);
    expect(await state.text()).not.toMatch(/U29tZSBieXRlcw|Some bytes|a header/);
  });

  test('what fails is noted with the reason, and nothing counts as dealt with', async () => {
    await opened();
    await press('Replay users.public.users/0/3');
    await answer('go');
    await expect.poll(operations, { timeout: 30_000 }).toEqual([
      noted({
        operation: 'replay',
        target: 'users.public.users/0/3',
        state: 'failed',
        outcome: expect.stringContaining('replaying dead letters'),
      }),
    ]);
    expect(await openOffsets()).toEqual([1, 2, 3, 4, 5]);
    await press('Load anew users.users');
    await answer('go');
    await tab.page.waitForSelector('.banner:not([hidden])');
    expect(await tab.texts('.banner')).toEqual([expect.stringContaining('SOURCE_UNAVAILABLE')]);
  });
});

describe('the interface', () => {
  const act = async (headers: Record<string, string>, body = '{"topic":"a","code":"b"}') =>
    fetch(`${pages.url}/api/operations/discard`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', ...headers },
      body,
    });
  const known = { 'X-Operator-Token': TOKEN, 'X-Operator-Name': 'Somebody' };

  test('does nothing for requests without token or name, of other pages, of forms, or ill-formed', async () => {
    const discard = JSON.stringify({ topic: 'users.public.users', code: 'DECODE_FAILED' });
    const statuses = await Promise.all([
      act({}, discard),
      act({ 'X-Operator-Token': TOKEN }, discard),
      act({ ...known, 'X-Operator-Name': '%00' }, discard),
      act({ ...known, 'Sec-Fetch-Site': 'cross-site' }, discard),
      act({ ...known, 'Content-Type': 'text/plain' }, discard),
      act(known, '{"topic":"users.public.users"}'),
      act(known, '{"places":["a/b/c"]}'),
      act(known, '{"places":["users.public.users/0/99"]}'),
    ]);
    expect(statuses.map(({ status }) => status)).toEqual([403, 400, 400, 403, 400, 400, 422, 404]);
    expect(await openOffsets()).toEqual([1, 2, 3, 4, 5]);
    expect(await operations()).toEqual([]);
    expect((await fetch(`${pages.url}/api/operations/discard?token=${TOKEN}`)).status).toBe(403);
  });

  test('who guesses has to wait, even with the right token then', async () => {
    const guesses: number[] = [];
    for (let guess = 0; guess < 12; guess += 1) {
      guesses.push((await act({ ...known, 'X-Operator-Token': `guess ${guess}` })).status);
    }
    expect(guesses).toContain(403);
    expect(guesses.at(-1)).toBe(429);
    const right = await act(known);
    expect([right.status, Number(right.headers.get('retry-after'))]).toEqual([
      429,
      expect.toSatisfy((seconds: number) => seconds > 0 && seconds <= 60),
    ]);
  });
});
