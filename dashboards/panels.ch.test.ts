import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadDefinitions } from './definition/load-definitions.ts';
import { queryPanel } from './server/panel-query.ts';
import { parseTimeRange } from './server/time-range.ts';
import { fillSampleMonths } from './testing/sample-months.ts';
import { createSampleTables, fillSampleShop, type SampleShop } from './testing/sample-shop.ts';
import { startPages, type RunningPages } from './testing/running-pages.ts';
import type { Cell, Freshness, PanelData } from './wire.ts';

const dashboards = await loadDefinitions();
let pages: RunningPages;
let shop: SampleShop;

beforeAll(async () => {
  pages = await startPages();
});
afterAll(async () => pages[Symbol.asyncDispose]());

async function ask(path: string): Promise<{ status: number; body: unknown }> {
  const response = await fetch(`${pages.url}/api/dashboards/${path}`);
  return { status: response.status, body: await response.json() };
}

async function askPanel(path: string): Promise<{ status: number; body: PanelData }> {
  const { status, body } = await ask(path);
  return { status, body: body as PanelData };
}

test('before anything has come, a panel says that it waits', async () => {
  const { status, body } = await ask('overview/panels/orders?range=5m');
  expect({ status, body }).toMatchObject({ status: 404, body: { waiting: true } });
});

describe('with the tables of the shop', () => {
  beforeAll(async () => {
    await createSampleTables(pages.writer);
  });

  test.each(
    dashboards.flatMap((dashboard) =>
      dashboard.panels.map((panel) => ({ dashboard, panel, name: `${dashboard.id}/${panel.id}` })),
    ),
  )('$name answers, empty or not, with the columns of its kind', async ({ dashboard, panel }) => {
    const { status, body } = await askPanel(`${dashboard.id}/panels/${panel.id}?range=6h`);
    expect({ status, body }).toMatchObject({ status: 200 });
    const names = body.columns.map(({ name }) => name);
    const wanted = { stat: ['value'], bar: ['label', 'value'], timeseries: ['t'], table: [] }[
      panel.kind
    ];
    expect(names).toEqual(expect.arrayContaining(wanted));
    // A link that names a column needs it.
    expect(names).toEqual(expect.arrayContaining(Object.values(panel.link?.variables ?? {})));
    if (panel.drilldown !== undefined) {
      const rows = await askPanel(
        `${dashboard.id}/panels/${panel.id}/rows?range=6h&at=${Date.now()}&series=paid`,
      );
      expect(rows).toMatchObject({ status: 200 });
    }
  });

  test.each(
    dashboards.flatMap(({ id, variables }) => variables.map(({ name }) => `${id}/options/${name}`)),
  )('%s answers', async (path) => {
    expect(await ask(path)).toMatchObject({ status: 200, body: expect.any(Array) });
  });
});

describe('with an hour of the shop', () => {
  beforeAll(async () => {
    shop = await fillSampleShop(pages.writer, Date.now());
  });

  const rows = async (path: string) => (await askPanel(path)).body.rows;

  test('figures are those of the tables', async () => {
    expect(await rows('overview/panels/orders?range=6h')).toEqual([[String(shop.orders), '0']]);
    expect(await rows('overview/panels/customers?range=6h')).toEqual([
      [String(shop.customers), '0'],
    ]);
    const revenue = await rows('orders/panels/revenue?range=6h');
    expect(Object.fromEntries(revenue.map(([label, value]) => [label, Number(value)]))).toEqual(
      Object.fromEntries(
        Object.entries(shop.revenue).map(([currency, cents]) => [currency, cents / 100]),
      ),
    );
    expect(await rows('stock/panels/low')).toEqual([[String(shop.lowStock)]]);
    expect(await rows('pipeline/panels/dead_letters')).toEqual([[String(shop.openLetters)]]);
  });

  test('filters and fixed times narrow them; a filter is a value, not SQL', async () => {
    expect(await rows('orders/panels/revenue?range=6h&currency=USD')).toHaveLength(1);
    expect(await rows("orders/panels/revenue?range=6h&currency=' OR 1=1 --")).toEqual([]);
    expect(
      await rows('overview/panels/orders?from=2020-01-01T00:00:00Z&to=2020-01-02T00:00:00Z'),
    ).toEqual([['0', '0']]);
  });

  test('the pieces of a chart add up, and the rows behind a piece are its', async () => {
    const { body } = await askPanel('overview/panels/orders_over_time?range=6h');
    const total = body.rows.reduce((sum, row) => sum + Number(row[2]), 0);
    expect(total).toBe(shop.orders);
    const [time, series, value] = body.rows[0] ?? [];
    const behind = await rows(
      `overview/panels/orders_over_time/rows?range=6h&at=${Date.parse(textOf(time))}&series=${textOf(series)}`,
    );
    expect(behind).toHaveLength(Number(value));
  });

  test('freshness is that of the sources behind a page', async () => {
    const body = (await ask('sagas/freshness')).body as Freshness;
    expect(body.sources).toMatchObject([{ source: 'orders', lagP50Ms: expect.any(Number) }]);
    expect(body.now - (body.sources[0]?.lastCommittedAt ?? 0)).toBeLessThan(60_000);
    expect(body.stopped).toBeUndefined();
  });

  test('a source whose database is away, or whose slot nobody reads, is not one where nothing happens', async () => {
    const look = async (source: string, secondsAhead: number, values: object) =>
      pages.writer.insert({
        table: 'ops.source_looks',
        format: 'JSONEachRow',
        values: [{ looked_at: (Date.now() / 1000 + secondsAhead).toFixed(3), source, ...values }],
      });
    const stopped = async () => {
      const body = (await ask('orders/freshness')).body as Freshness;
      return Object.fromEntries(
        body.sources.flatMap((source) => (source.stopped ? [[source.source, source.stopped]] : [])),
      );
    };
    expect(await stopped()).toEqual({});
    await look('orders', 1, { problem: 'source orders: its database does not answer' });
    await look('users', 1, { slot_active: true, wal_status: 'lost' });
    await pages.writer.command({
      query: `ALTER TABLE ops.source_looks DELETE WHERE source = 'payments' SETTINGS mutations_sync = 1`,
    });
    await look('payments', -15, { slot_active: false, wal_status: 'reserved' });
    // One look could be that between two connections.
    await expect.poll(stopped, { timeout: 10_000 }).toEqual({
      orders: 'its database does not answer',
      users: 'its replication slot is lost',
    });
    await look('payments', 0, { slot_active: false, wal_status: 'reserved' });
    await look('orders', 2, { slot_active: true, wal_status: 'reserved' });
    await expect.poll(stopped, { timeout: 10_000 }).toEqual({
      users: 'its replication slot is lost',
      payments: 'nobody reads its replication slot',
    });
  });

  test('what was seen of sources is on the page of the pipeline', async () => {
    expect(await rows('pipeline/panels/sources?range=15m&source=inventory')).toEqual([
      [
        'inventory',
        'RUNNING',
        'answers',
        'read',
        ...Array.from({ length: 5 }, () => expect.anything()),
      ],
    ]);
    const pieces = (await askPanel('pipeline/panels/retained_wal?range=15m&source=catalog')).body;
    // No holes between looks, whatever the pieces.
    const times = pieces.rows.map(([time]) => Date.parse(textOf(time)));
    expect(times.length).toBeGreaterThan(850 / pieces.bucketSeconds);
    expect(
      times.every(
        (time, index) =>
          index === 0 || time - (times[index - 1] ?? 0) === pieces.bucketSeconds * 1_000,
      ),
    ).toBe(true);
  });

  test('who has the same already is told so', async () => {
    const url = `${pages.url}/api/dashboards/stock/panels/low`;
    const tag = (await fetch(url)).headers.get('etag') ?? '';
    expect((await fetch(url, { headers: { 'If-None-Match': tag } })).status).toBe(304);
  });

  test.each([
    'overview/panels/nothing',
    'nothing/panels/orders',
    'overview/panels/orders/rows',
    'orders/options/nothing',
  ])('%s is a problem document', async (path) => {
    expect(await ask(path)).toMatchObject({
      status: 404,
      body: { detail: expect.any(String) },
    });
  });

  test.each(['range=2h', 'from=x&to=y', 'from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z'])(
    '%s is refused',
    async (query) => {
      expect(await ask(`overview/panels/orders?${query}`)).toMatchObject({
        status: 400,
      });
    },
  );
});

describe('with months of the shop', () => {
  const now = Date.now();
  const day = (daysAgo: number, time: string) =>
    `${new Date(now - daysAgo * 86_400_000).toISOString().slice(0, 10)}T${time}Z`;
  const between = (from: string, to: string) => `from=${from}&to=${to}`;
  const daily = dashboards.flatMap(({ id, panels, variables }) =>
    panels
      .filter(({ sql }) => /\{days_from:/.test(sql))
      .map(({ id: panel, sql }) => ({ name: `${id}/${panel}`, sql, variables })),
  );

  beforeAll(async () => fillSampleMonths(pages.writer, now));

  test.each(daily)('$name is what single rows say, whatever days are whole', async (panel) => {
    const one: Readonly<Record<string, string>> = {
      currency: 'EUR',
      country: 'DE',
      status: 'paid',
      kind: 'place-order',
    };
    const none = Object.fromEntries(panel.variables.map(({ name }) => [name, '']));
    // Where no day is whole, none is taken from what is added up already; and all hours are looked at.
    const single = panel.sql
      .replaceAll(
        /date_trunc\('hour', \w+\) IN \(SELECT \w+ FROM marts\.\w+_hours WHERE [^)]*\)\)/g,
        '1',
      )
      .replaceAll(/\{(chart_)?days_to:/g, '{days_from:')
      .replaceAll('{previous_days_to:', '{previous_days_from:')
      .replace(/\) AS since/, ') AS from_days, toDate(0) AS since');
    expect(single).not.toBe(panel.sql);
    for (const range of [
      'range=30d',
      between(day(58, '10:30:00'), day(29, '15:20:00.500')),
      between(day(45, '00:00:00'), day(10, '00:00:00')),
      between(day(31, '22:00:00'), day(28, '03:00:00')),
      between(day(20, '01:00:00'), day(20, '23:00:00')),
    ]) {
      for (const variables of [none, { ...none, ...one }]) {
        const parameters = {
          range: parseTimeRange(new URLSearchParams(range), now, '1h'),
          variables,
        };
        const [kept, counted] = await Promise.all(
          [panel.sql, single].map(async (sql) =>
            queryPanel(pages.parts.client, sql, parameters, new AbortController().signal),
          ),
        );
        expect(kept, range).toEqual(counted);
        if (variables === none) {
          expect(
            kept?.rows.flat().some((cell) => Number(cell) > 0),
            range,
          ).toBe(true);
        }
      }
    }
  });
});

const textOf = (cell: Cell | undefined) => (typeof cell === 'string' ? cell : JSON.stringify(cell));
