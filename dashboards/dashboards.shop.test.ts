import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Page } from 'puppeteer-core';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { createLogger } from '#runtime/log.ts';
import { localAddresses } from '../cli/local-environment.ts';
import { ShopStack } from '../cli/testing/shop-stack.ts';
import { operatorTokenPath } from '../local/node-processes.ts';
import { signalGroup } from '../local/process-identity.ts';
import { loadLocalSettings, portOf, statePath } from '../local/settings.ts';
import { createKafka } from '../pipeline/source/kafka-client.ts';
import { loadDefinitions } from './definition/load-definitions.ts';
import { launchBrowser } from './testing/browser.ts';

/*
 * The pages as somebody sees them, on the whole system under traffic: what they show is compared
 * with what the services' own databases hold, never with the warehouse. Pictures of all pages are
 * left in the state folder for whoever changes how they look, with `PICTURES=1`.
 */

const OFFSET = 12_000;
const SOURCE_DEADLINE_MS = 60_000;
const EMAIL = 'right@copy.example';
const DESKTOP = { name: 'desktop', scheme: 'light', width: 1440, height: 900, density: 1 };
const PHONE_DARK = { name: 'phone-dark', scheme: 'dark', width: 390, height: 844, density: 2 };
/** `PICTURES=1` takes a picture of each page, in each width and scheme: half of the time of their tests. */
const IS_DRAWN = process.env['PICTURES'] !== undefined;
/** Both widths and both schemes. */
const LOOKS = IS_DRAWN
  ? [
      DESKTOP,
      { ...DESKTOP, name: 'desktop-dark', scheme: 'dark' },
      { ...PHONE_DARK, name: 'phone', scheme: 'light' },
      PHONE_DARK,
    ]
  : [DESKTOP, PHONE_DARK];
const JOIN = `SELECT o.order_number, o.placed_at, o.status, o.total, o.currency, u.name, u.country
FROM orders.orders AS o
JOIN users.users AS u ON o.user_id = u.id
WHERE o.status = 'paid'
ORDER BY o.placed_at DESC`;

const dashboards = await loadDefinitions();
let shop: ShopStack;
let url: string;
let connectUrl: string;
let pictures: string;
let browser: Browser;
let page: Page;
/** A user whose copy in orders was changed by hand. */
let drifted: string;
/** What the browser complains about: exceptions, errors on its console, breaches of the policy. */
let complaints: string[] = [];

beforeAll(async () => {
  shop = await ShopStack.start('dashboards', OFFSET, {
    seed: 5,
  });
  const settings = loadLocalSettings(shop.env);
  url = `http://127.0.0.1:${portOf(settings, 'dashboards')}`;
  connectUrl = localAddresses(settings)['CONNECT_URL'] ?? '';
  pictures = statePath(settings, 'screenshots');
  if (IS_DRAWN) await mkdir(pictures, { recursive: true });
  browser = await launchBrowser();
  page = await browser.newPage();
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('console', (message) => {
    if (['error', 'warn'].includes(message.type())) complaints.push(message.text());
  });
  await shop.trafficGoesOn();
  // Half a minute may a copy differ: the monitor finds it while the pages are looked at.
  drifted = await makeCopyDrift();
  // The pipeline makes a table when its first change comes; until then pages wait for it.
  for (const { id } of dashboards) {
    await open(`/d/${id}`);
    await settled();
  }
});
afterAll(async () => {
  await browser?.close();
  await shop?.stop();
});

/** Changes what orders knows of a user of its own. @returns the user's id */
async function makeCopyDrift(): Promise<string> {
  const response = await fetch(`${shop.serviceUrl('users')}/users`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'Cora Copied', email: EMAIL, country: 'DE' }),
  });
  const { id } = (await response.json()) as { id: string };
  await vi.waitFor(async () => expect(await copiedEmail(id)).toEqual([EMAIL]), {
    timeout: SOURCE_DEADLINE_MS,
  });
  await shop.query(
    'orders',
    `UPDATE buyers SET email = 'wrong@copy.example' WHERE user_id = '${id}'`,
  );
  return id;
}

const copiedEmail = async (user: string) =>
  fromService('orders', `SELECT email AS figure FROM buyers WHERE user_id = '${user}'`);

async function open(path: string, look = DESKTOP): Promise<void> {
  complaints = [];
  await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: look.scheme }]);
  await page.setViewport({
    width: look.width,
    height: look.height,
    deviceScaleFactor: look.density,
  });
  await page.goto(url + path);
}

/** Waits until every panel has had its first answer, and none waits for a table any more. */
async function settled(): Promise<void> {
  await page.waitForFunction(
    `document.querySelectorAll('.panel').length > 0 &&
     [...document.querySelectorAll('.panel')].every(
       ({ dataset }) => dataset.state !== 'loading' && dataset.state !== 'waiting')`,
    { timeout: SOURCE_DEADLINE_MS },
  );
}

/** Takes a picture of the page once its charts move no more, if pictures are wanted. */
async function picture(name: string, fullPage: boolean): Promise<void> {
  if (!IS_DRAWN) return;
  await page.waitForFunction(
    `(() => {
       const now = [...document.querySelectorAll('canvas')].map((chart) => chart.toDataURL()).join();
       const isStill = now === globalThis.drawn;
       globalThis.drawn = now;
       return isStill;
     })()`,
    { polling: 150 },
  );
  await page.screenshot({ path: join(pictures, `${name}.png`), fullPage });
}

async function texts(selector: string): Promise<string[]> {
  const all = await page.evaluate(
    `[...document.querySelectorAll(${JSON.stringify(selector)})].map((element) => element.textContent)`,
  );
  return all as string[];
}

/** What the figures of a panel say, sorted: `EUR 1,234.50` as `EUR 1234.50`. */
async function figures(panel: string): Promise<string[]> {
  const all = await texts(`[data-panel=${panel}] .stat-value`);
  return all.map((text) =>
    text.replaceAll(/[,\u00a0\u202f]/g, (sign) => (sign === ',' ? '' : ' ')),
  );
}

async function warehouseRows<Row>(query: string): Promise<Row[]> {
  const result = await shop.warehouse.query({ query, format: 'JSONEachRow' });
  return result.json<Row>();
}

async function fromService(service: Parameters<ShopStack['query']>[0], sql: string) {
  const rows = await shop.query<{ figure: string }>(service, sql);
  return rows.map(({ figure }) => figure);
}

/** Waits until a panel says what a service's database answers, both asked anew each time. */
async function expectSame(
  panel: string,
  service: Parameters<ShopStack['query']>[0],
  sql: string,
): Promise<void> {
  await expect
    .poll(
      async () => {
        const [shown, held] = [await figures(panel), await fromService(service, sql)];
        return held.length > 0 && shown.toSorted().join() === held.toSorted().join()
          ? 'the same'
          : { shown, held };
      },
      { timeout: 30_000, interval: 500 },
    )
    .toBe('the same');
}

describe.each(dashboards)('$title', ({ id, panels }) => {
  test('stands on the running system, and nothing is wrong with it', async () => {
    for (const look of LOOKS) {
      await open(`/d/${id}?range=15m`, look);
      await settled();
      const states = (await page.evaluate(
        `[...document.querySelectorAll('.panel')].map((panel) => panel.dataset.state)`,
      )) as string[];
      expect(states).toHaveLength(panels.length);
      expect(states.filter((state) => state !== 'data' && state !== 'empty')).toEqual([]);
      await page.waitForSelector('.freshness[data-level=live], .freshness[data-level=quiet]');
      expect(await texts('.banner:not([hidden])')).toEqual([]);
      expect(complaints).toEqual([]);
      await picture(`${id}-${look.name}`, true);
    }
  });
});

test('an analyst is told how fresh the page is, and that it is fresh', async () => {
  await open('/d/overview?range=15m');
  await page.waitForSelector('.freshness[data-level=live]');
  expect(await texts('.freshness summary')).toEqual([expect.stringMatching(/^True as of \d/)]);
});

test('numbers are those of the services themselves', async () => {
  await shop.whileTrafficRests(async () => {
    await open('/d/overview?range=90d');
    await settled();
    await expectSame('orders', 'orders', 'SELECT count(*) AS figure FROM orders');
    await expectSame('customers', 'users', 'SELECT count(*) AS figure FROM users');
    await expectSame(
      'revenue',
      'orders',
      `SELECT concat(currency, ' ', sum(total)) AS figure FROM orders
       WHERE paid_at IS NOT NULL GROUP BY currency`,
    );
    await open('/d/stock');
    await settled();
    await expectSame(
      'available',
      'inventory',
      'SELECT sum(on_hand - reserved)::text AS figure FROM stock_levels',
    );
    await open('/d/sagas?range=90d');
    await settled();
    await expectSame(
      'running',
      'orders',
      `SELECT count(*) AS figure FROM sagas WHERE state IN ('running', 'compensating')`,
    );
  });
});

test('a point leads to the orders behind it, which are those that the service has', async () => {
  await open('/d/overview?range=15m');
  await settled();
  await page.click('[data-panel=orders_over_time] button[aria-label$="as a table"]');
  await page.waitForSelector('[data-panel=orders_over_time] tbody tr');
  await page.click('[data-panel=orders_over_time] tbody tr:nth-child(1) button');
  await page.waitForSelector('dialog[open] tbody tr');
  const numbers = (await texts('dialog tbody td:nth-child(1)')).map((text) =>
    text.replaceAll(',', ''),
  );
  const held = await fromService(
    'orders',
    `SELECT order_number AS figure FROM orders WHERE order_number IN (${numbers.join(', ')})`,
  );
  expect(numbers.length).toBeGreaterThan(0);
  expect(held.toSorted()).toEqual(numbers.toSorted());
  await picture('drill-down-desktop', false);
});

describe('SQL', () => {
  const sqlPath = (sql: string) => `/sql?${new URLSearchParams({ sql }).toString()}`;
  const status = (pattern: string) =>
    page.waitForFunction(
      `new RegExp(${JSON.stringify(pattern)}).test(document.querySelector('.run-status').textContent)`,
    );

  test('a join over two services runs, and its rows are downloaded', async () => {
    for (const look of LOOKS) {
      await open(sqlPath(JOIN), look);
      await status('^[\\d,]+ rows in ');
      await page.waitForSelector('.tree details');
      await picture(`sql-${look.name}`, false);
      expect(complaints).toEqual([]);
    }
    const folder = await mkdtemp(join(tmpdir(), 'tributary-download-'));
    const client = await page.createCDPSession();
    await client.send('Browser.setDownloadBehavior', { behavior: 'allow', downloadPath: folder });
    await open(sqlPath(JOIN));
    await status('^[\\d,]+ rows in ');
    await page.click('.toolbar .choices button');
    await expect.poll(() => readdir(folder), { timeout: 15_000 }).toEqual(['query.csv']);
    const [head, ...lines] = (await readFile(join(folder, 'query.csv'), 'utf8')).trim().split('\n');
    expect(head).toBe('"order_number","placed_at","status","total","currency","name","country"');
    expect(lines.length).toBeGreaterThan(0);
    await rm(folder, { recursive: true });
  });

  test('a query that would run for ever is cancelled, and changes go on being stored', async () => {
    await open(
      sqlPath('SELECT count() FROM numbers(100000000000) WHERE sipHash64(number) % 7 = 8'),
    );
    await status('rows read');
    await shop.trafficGoesOn();
    await page.click('.toolbar button:nth-child(2)');
    await status('^Cancelled');
    await open('/d/overview?range=15m');
    await page.waitForSelector('.freshness[data-level=live]');
    expect(complaints).toEqual([]);
  });
});

describe('operations', () => {
  const TOPIC = 'catalog.public.categories';
  const operations = async () =>
    warehouseRows<Record<string, string>>(
      'SELECT operation, target, asked_by, state, outcome FROM ops.operations FINAL ORDER BY started_at',
    );
  const done = async (operation: string) =>
    (await operations()).filter(
      (row) => row['operation'] === operation && row['state'] !== 'running',
    );
  const press = async (label: string) => {
    const button = await page.waitForSelector(`button[aria-label="${label}"]`, {
      timeout: SOURCE_DEADLINE_MS,
    });
    await button?.click();
  };
  const confirm = async () => {
    await page.waitForSelector('dialog.question');
    await page.click('dialog .answers .primary');
    await page.waitForFunction(`document.querySelector('dialog') === null`);
  };

  beforeAll(async () => {
    const settings = loadLocalSettings(shop.env);
    const token = await readFile(operatorTokenPath(settings), 'utf8');
    const producer = createKafka({
      clientId: 'test',
      brokers: (localAddresses(settings)['KAFKA_BROKERS'] ?? '').split(','),
      log: createLogger('test', 'silent'),
    }).producer();
    await producer.connect();
    await producer.send({
      topic: TOPIC,
      messages: [{ partition: 0, key: Buffer.from('k'), value: Buffer.from('no Avro') }],
    });
    await producer.disconnect();
    await open('/operations');
    await page.waitForSelector('.sign-in');
    await page.type('.sign-in label:nth-of-type(1) input', 'Ada');
    await page.type('.sign-in label:nth-of-type(2) input', token.trim());
    await page.click('.sign-in button');
  });

  test('a bad record is looked at and replayed, and is a dead letter again; then it is discarded', async () => {
    await expect
      .poll(async () => texts(`[data-panel=letters] tbody tr`), { timeout: SOURCE_DEADLINE_MS })
      .toHaveLength(1);
    const place = (await texts('[data-panel=letters] tbody td')).slice(0, 3).join('/');
    await press(`Look at ${place}`);
    await page.waitForSelector('dialog[open] .bytes');
    expect((await texts('dialog .bytes')).join()).toContain('no Avro');
    await page.keyboard.press('Escape');
    await press(`Replay ${place}`);
    await confirm();
    await expect
      .poll(async () => done('replay'), { timeout: SOURCE_DEADLINE_MS })
      .toEqual([
        {
          operation: 'replay',
          target: place,
          asked_by: 'Ada',
          state: 'done',
          outcome: '1 replayed',
        },
      ]);
    const letters = async () =>
      warehouseRows<Record<string, unknown>>(
        `SELECT isNotNull(d.replay_of) AS is_replay, toString(r.state) AS state
         FROM (SELECT * FROM ops.dead_letters FINAL) AS d
         LEFT JOIN (SELECT * FROM ops.dead_letter_resolutions FINAL) AS r USING (topic, partition, offset)
         WHERE topic = '${TOPIC}' ORDER BY offset`,
      );
    await expect.poll(letters, { timeout: SOURCE_DEADLINE_MS }).toEqual([
      { is_replay: 0, state: 'replayed' },
      { is_replay: 1, state: '' },
    ]);
    const code = await page.waitForFunction(
      `document.querySelector('[data-panel=groups] tbody td:nth-child(2)')?.textContent`,
    );
    await press(`Discard all ${String(await code.jsonValue())} of ${TOPIC}`);
    await confirm();
    await expect
      .poll(letters, { timeout: SOURCE_DEADLINE_MS })
      .toEqual([expect.anything(), { is_replay: 1, state: 'discarded' }]);
  });

  test('a table is loaded anew', async () => {
    await press('Load anew catalog.categories');
    await confirm();
    await expect
      .poll(async () => done('resync'), { timeout: SOURCE_DEADLINE_MS })
      .toMatchObject([
        {
          target: 'catalog.categories',
          asked_by: 'Ada',
          state: 'done',
          outcome: expect.stringContaining('all were right'),
        },
      ]);
    await picture('operations-desktop', true);
    expect(complaints).toEqual([]);
  });

  test('copies that drifted are repaired, and what was found of them heals', async () => {
    const findings = async () =>
      warehouseRows(
        `SELECT field, toString(state) AS state FROM ops.drift_findings FINAL
         WHERE rule = 'buyers' AND has(JSONExtract(copy_key, 'Array(String)'), '${drifted}')`,
      );
    await press('Repair buyers');
    expect(await findings()).toEqual([{ field: 'email', state: 'open' }]);
    await confirm();
    await expect
      .poll(async () => done('repair'), { timeout: SOURCE_DEADLINE_MS })
      .toMatchObject([{ target: 'buyers', asked_by: 'Ada', state: 'done', outcome: '1 healed' }]);
    expect(await copiedEmail(drifted)).toEqual([EMAIL]);
    await expect
      .poll(findings, { timeout: SOURCE_DEADLINE_MS })
      .toEqual([{ field: 'email', state: 'healed' }]);
    await page.waitForFunction(
      `document.querySelector('button[aria-label="Repair buyers"]') === null`,
    );
    expect(complaints).toEqual([]);
  });
});

test('what services say that their columns mean is in the dictionary', async () => {
  await expect
    .poll(
      async () => {
        await open('/dictionary');
        return texts('[id="orders.orders"] tbody tr');
      },
      { timeout: SOURCE_DEADLINE_MS, interval: 2_000 },
    )
    .toContainEqual(expect.stringContaining('What the buyer owes, in currency'));
});

test('a database that is away is no source where nothing happens, and is seen on the health page', async () => {
  const { pid } = shop.stack.process('postgres-payments');
  if (pid === undefined) throw new Error('there is no database');
  await open('/d/orders?range=15m');
  await settled();
  signalGroup(pid, 'SIGSTOP');
  try {
    await page.waitForSelector('.banner:not([hidden])', { timeout: 2 * SOURCE_DEADLINE_MS });
    expect(await texts('.banner')).toEqual([
      expect.stringMatching(/^This page may be behind: payments: its database does not answer\./),
    ]);
    await open('/d/pipeline?range=15m');
    await settled();
    expect(await texts('[data-panel=sources] tbody tr')).toContainEqual(
      expect.stringMatching(/^paymentsRUNNINGsource payments: its database does not answer/),
    );
  } finally {
    signalGroup(pid, 'SIGCONT');
  }
  await open('/d/orders?range=15m');
  // Hidden is what a banner is before anything is known, too.
  await page.waitForSelector('.freshness[data-level=live]', { timeout: 2 * SOURCE_DEADLINE_MS });
  expect(await texts('.banner:not([hidden])')).toEqual([]);
});

test('a source that is stopped is told of on every page that it is behind, and on no other', async () => {
  const pause = async (to: 'pause' | 'resume') => {
    const response = await fetch(`${connectUrl}/connectors/tributary-payments/${to}`, {
      method: 'PUT',
    });
    expect(response.status).toBe(202);
  };
  await open('/d/orders?range=15m');
  await settled();
  await pause('pause');
  await page.waitForSelector('.banner:not([hidden])', { timeout: SOURCE_DEADLINE_MS });
  expect(await texts('.banner')).toEqual([
    expect.stringMatching(/^This page may be behind: payments: its connector is PAUSED\./),
  ]);
  await picture('stopped-desktop', false);
  await open('/d/stock?range=15m');
  await page.waitForSelector('.freshness[data-level=live], .freshness[data-level=quiet]');
  expect(await texts('.banner:not([hidden])')).toEqual([]);
  await pause('resume');
  await open('/d/orders?range=15m');
  await page.waitForSelector('.freshness[data-level=live]', { timeout: SOURCE_DEADLINE_MS });
  expect(await texts('.banner:not([hidden])')).toEqual([]);
});
