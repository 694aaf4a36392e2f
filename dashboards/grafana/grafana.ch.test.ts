import { readdir, readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { loadDefinitions } from '../definition/load-definitions.ts';
import { GIVEN_PARAMETERS } from '../definition/sql-parameters.ts';
import { valuesFor } from '../server/panel-query.ts';
import { parseTimeRange } from '../server/time-range.ts';
import { startPages, type RunningPages } from '../testing/running-pages.ts';
import { fillFindings, fillQuietRounds } from '../testing/sample-drift.ts';
import { createSampleTables, fillSampleShop } from '../testing/sample-shop.ts';
import { grafanaSql } from './grafana-sql.ts';
import { outdatedFiles } from './write-grafana.ts';

/** What Grafana's model of a dashboard asks for; that its values are of its types, tsc checks. */
const dataSource = z.strictObject({
  type: z.literal('grafana-clickhouse-datasource'),
  uid: z.literal('tributary-clickhouse'),
});
const panel = z.looseObject({
  id: z.number().int().positive(),
  type: z.enum(['timeseries', 'barchart', 'stat', 'table']),
  title: z.string().min(1),
  datasource: dataSource,
  gridPos: z.strictObject({
    x: z.number().int().min(0),
    y: z.number().int().min(0),
    w: z.number().int().min(1).max(24),
    h: z.number().int().min(1),
  }),
  targets: z
    .array(
      z.strictObject({
        refId: z.literal('A'),
        datasource: dataSource,
        editorType: z.literal('sql'),
        queryType: z.enum(['timeseries', 'table']),
        format: z.union([z.literal(0), z.literal(1)]),
        rawSql: z.string().min(1),
      }),
    )
    .length(1),
  fieldConfig: z.looseObject({
    defaults: z.looseObject({
      thresholds: z.strictObject({
        mode: z.literal('absolute'),
        steps: z
          .array(z.strictObject({ value: z.number().nullable(), color: z.string() }))
          .min(1)
          // The first is the ground, the others rise.
          .refine((steps) =>
            steps.every(({ value }, index) =>
              index === 0
                ? value === null
                : value !== null && value > (steps[index - 1]?.value ?? -Infinity),
            ),
          ),
      }),
      links: z.array(z.strictObject({ title: z.string(), url: z.string().startsWith('/d/') })),
    }),
    overrides: z.array(z.unknown()),
  }),
  options: z.looseObject({}),
});
const grafana = z.looseObject({
  id: z.null(),
  uid: z.string().max(40),
  title: z.string().min(1),
  schemaVersion: z.number().min(36),
  time: z.strictObject({ from: z.string().startsWith('now-'), to: z.literal('now') }),
  templating: z.strictObject({
    list: z.array(
      z.looseObject({
        name: z.string(),
        type: z.literal('query'),
        query: z.string(),
        datasource: dataSource,
        allValue: z.literal("''"),
      }),
    ),
  }),
  panels: z.array(panel).min(1),
});

const FOLDER = new URL('dashboards/', import.meta.url);
const files = await readdir(FOLDER);
const dashboards = await Promise.all(
  files.map(async (file) =>
    grafana.parse(JSON.parse(await readFile(new URL(file, FOLDER), 'utf8'))),
  ),
);
let pages: RunningPages;

beforeAll(async () => {
  pages = await startPages();
  await createSampleTables(pages.writer);
  await fillSampleShop(pages.writer, Date.now());
  await fillQuietRounds(pages.writer, Date.now());
  await fillFindings(pages.writer, Date.now());
});
afterAll(async () => pages?.[Symbol.asyncDispose]());

/** As Grafana puts values into a query: `sqlstring` doubles quotes, the value of "all" goes in as it is. */
function interpolate(sql: string, values: Readonly<Record<string, string>>): string {
  const now = Date.now();
  const globals: Record<string, string> = {
    __from: String(now - 21_600_000),
    __to: String(now),
    __interval_ms: '60000',
  };
  return sql.replaceAll(/\$\{(\w+)(:sqlstring)?\}/g, (found, name: string, isText?: string) => {
    const value = values[name];
    if (isText === undefined) return value ?? globals[name] ?? found;
    return value === undefined ? "''" : `'${value.replaceAll("'", "''")}'`;
  });
}

async function run(sql: string): Promise<{ columns: string[]; rows: unknown[][] }> {
  const result = await fetch(`${pages.warehouse.url}/?default_format=JSONCompact`, {
    method: 'POST',
    headers: { 'X-ClickHouse-User': 'analyst' },
    body: sql,
  });
  const text = await result.text();
  if (!result.ok) throw new Error(`${text}\n${sql}`);
  const { meta, data } = JSON.parse(text) as { meta: { name: string }[]; data: unknown[][] };
  return { columns: meta.map(({ name }) => name), rows: data };
}

test('times and whole days are those of the built-in pages', async () => {
  const query = `SELECT ${GIVEN_PARAMETERS.map((name) => `{${name}:String}`).join(', ')}`;
  for (const [from, to] of [
    ['2026-01-01T10:30:00.500Z', '2026-03-14T08:15:00Z'],
    ['2026-03-10T00:00:00Z', '2026-03-12T00:00:00Z'],
    ['2026-03-10T00:00:00.001Z', '2026-03-10T23:59:59.999Z'],
  ] as const) {
    const range = parseTimeRange(new URLSearchParams({ from, to }), Date.now(), '1h');
    const globals = {
      __from: String(range.from),
      __to: String(range.to),
      __interval_ms: String(range.bucketSeconds * 1000),
    };
    const { rows } = await run(interpolate(grafanaSql(query), globals));
    expect(rows).toEqual([Object.values(valuesFor(query, { range, variables: {} }))]);
  }
});

test('the files are what the definitions say (npm run docs)', async () => {
  expect(await outdatedFiles()).toEqual([]);
});

test('provisioning makes the data source that they name, and finds them', async () => {
  const read = async (path: string) =>
    parse(await readFile(new URL(`provisioning/${path}`, import.meta.url), 'utf8')) as unknown;
  expect(await read('datasources/tributary.yaml')).toMatchObject({
    apiVersion: 1,
    datasources: [
      {
        uid: 'tributary-clickhouse',
        type: 'grafana-clickhouse-datasource',
        jsonData: { protocol: 'http' },
      },
    ],
  });
  expect(await read('dashboards/tributary.yaml')).toMatchObject({
    apiVersion: 1,
    providers: [{ type: 'file', options: { path: '/etc/tributary/dashboards' } }],
  });
});

describe.each(dashboards)('$title', ({ panels, templating }) => {
  test.each(panels)('$title answers with the columns that its kind needs', async (panel) => {
    const { rawSql, format } = panel.targets[0] ?? { rawSql: '', format: 1 };
    const { columns, rows } = await run(interpolate(rawSql, {}));
    const wanted = { timeseries: ['t'], barchart: ['label', 'value'], stat: ['value'], table: [] };
    expect(columns).toEqual(expect.arrayContaining(wanted[panel.type]));
    if (format === 0) {
      // Grafana's long-to-wide wants times that rise.
      const times = rows.map(([time]) => String(time));
      expect(times).toEqual([...times].sort());
    }
    // Nothing that Grafana would have to put in is left, and a filter is a value, not SQL.
    expect(interpolate(rawSql, {})).not.toMatch(/\$\{|\{\w+\s*:/);
    const hostile = Object.fromEntries(templating.list.map(({ name }) => [name, "' OR 1=1 --"]));
    await run(interpolate(rawSql, hostile));
  });

  test('filters have their values, links lead somewhere, panels lie side by side', async () => {
    for (const { query } of templating.list) await run(query);
    const names = templating.list.map(({ name }) => name);
    const used = panels.flatMap(({ targets }) =>
      [...(targets[0]?.rawSql.matchAll(/\$\{(\w+):sqlstring\}/g) ?? [])].map(([, name]) => name),
    );
    expect(names).toEqual(expect.arrayContaining(used));
    for (const { url } of panels.flatMap((panel) => panel.fieldConfig.defaults.links)) {
      const target = dashboards.find(({ uid }) => url.startsWith(`/d/${uid}?`));
      const there = target?.templating.list.map(({ name }) => name);
      expect(there, url).toEqual(
        expect.arrayContaining([...url.matchAll(/&var-(\w+)=/g)].map(([, name]) => name)),
      );
    }
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from(
        { length: w * h },
        (_, index) => `${x + (index % w)} ${y + Math.floor(index / w)}`,
      ),
    );
    expect(new Set(cells).size).toBe(cells.length);
    expect(Math.max(...panels.map(({ gridPos: { x, w } }) => x + w))).toBeLessThanOrEqual(24);
  });
});

test('there is one for each definition', async () => {
  const definitions = await loadDefinitions();
  expect(dashboards.map(({ uid }) => uid).sort()).toEqual(
    definitions.map(({ id }) => `tributary-${id}`).sort(),
  );
});
