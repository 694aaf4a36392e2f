import { createHash } from 'node:crypto';
import { Router, type Request, type Response } from 'express';
import { isAbort } from '#runtime/errors.ts';
import { notFound, HttpProblem } from './http-problem.ts';
import type { Dashboard, Panel } from '../definition/definition.ts';
import type { Freshness, PanelData } from '../wire.ts';
import { panelProblem } from './clickhouse-problem.ts';
import { DOWNLOAD_ENDINGS, sendDownload } from './downloads.ts';
import { enterTurnstile } from './enter-turnstile.ts';
import { readFreshness, type FreshnessParts } from './freshness.ts';
import { goneSignal } from './gone-signal.ts';
import { panelFile, queryPanel, valuesFor, type PanelParameters } from './panel-query.ts';
import { SharedQueries } from './shared-queries.ts';
import { Turnstile } from './turnstile.ts';
import { BadTimeRange, bucketAt, parseTimeRange, type TimeRange } from './time-range.ts';

const LONGEST_VALUE = 200;
/** A file is shared with nobody, so panels go first. */
const DOWNLOADS_SIDE_BY_SIDE = 1;
const MOST_DOWNLOADS_WAITING = 8;

/** Data of dashboards: `/dashboards/:dashboard/panels/:panel`, the rows behind a point, freshness. */
export function dashboardRoutes(dashboards: readonly Dashboard[], parts: FreshnessParts): Router {
  const { client } = parts;
  const panels = new SharedQueries<PanelData>();
  const options = new SharedQueries<string[]>();
  const freshness = new SharedQueries<Freshness>();
  const downloads = new Turnstile(DOWNLOADS_SIDE_BY_SIDE, MOST_DOWNLOADS_WAITING);
  const router = Router();

  const ask = async (
    response: Response,
    dashboard: Dashboard,
    panel: Panel,
    sql: string,
    parameters: PanelParameters,
  ): Promise<PanelData> => {
    const { range, variables } = parameters;
    // A range that ends now is another one each time; those who look at it want the same.
    const time = range.isLive ? [range.to - range.from] : [range.from, range.to];
    const key = JSON.stringify([dashboard.id, panel.id, sql, time, variables]);
    return problemsOf(() =>
      panels.get(
        key,
        async (signal) => ({
          ...(await queryPanel(client, sql, parameters, signal)),
          from: range.from,
          to: range.to,
          bucketSeconds: range.bucketSeconds,
          parameters: valuesFor(sql, parameters),
        }),
        goneSignal(response),
      ),
    );
  };

  router.get('/dashboards/:dashboard/panels/:panel', async (request, response) => {
    const { dashboard, panel } = find(dashboards, request);
    const query = queryOf(request);
    const range = rangeOf(query, dashboard);
    const variables = variablesOf(query, dashboard);
    sendTagged(
      request,
      response,
      await ask(response, dashboard, panel, panel.sql, { range, variables }),
    );
  });

  router.get('/dashboards/:dashboard/panels/:panel/download', async (request, response) => {
    const { dashboard, panel } = find(dashboards, request);
    const query = queryOf(request);
    const as = DOWNLOAD_ENDINGS.find((ending) => ending === query.get('as'));
    if (as === undefined) throw new HttpProblem(400, `as must be ${DOWNLOAD_ENDINGS.join(', ')}.`);
    const parameters = {
      range: rangeOf(query, dashboard),
      variables: variablesOf(query, dashboard),
    };
    const signal = goneSignal(response);
    const leave = await enterTurnstile(downloads, signal);
    try {
      const rows = await problemsOf(async () =>
        panelFile(client, panel.sql, parameters, as, signal),
      );
      await sendDownload(response, rows, { name: `${dashboard.id}-${panel.id}`, as });
    } finally {
      leave();
    }
  });

  router.get('/dashboards/:dashboard/panels/:panel/rows', async (request, response) => {
    const { dashboard, panel } = find(dashboards, request);
    const { drilldown } = panel;
    if (drilldown === undefined) throw notFound('drill-down');
    const query = queryOf(request);
    const variables = {
      ...variablesOf(query, dashboard),
      label: valueOf(query, 'label'),
      series: valueOf(query, 'series'),
    };
    // A bar is of the whole time, a point of its piece.
    const whole = { ...rangeOf(query, dashboard), isLive: false };
    const range = panel.kind === 'bar' ? whole : bucketAt(whole, timeOf(query));
    response.json(await ask(response, dashboard, panel, drilldown.sql, { range, variables }));
  });

  router.get('/dashboards/:dashboard/options/:variable', async (request, response) => {
    const dashboard = findDashboard(dashboards, request);
    const variable = dashboard.variables.find(({ name }) => name === request.params['variable']);
    if (variable === undefined) throw notFound('variable');
    const range = rangeOf(new URLSearchParams(), dashboard);
    const read = async (signal: AbortSignal) => {
      const { rows } = await queryPanel(client, variable.options, { range, variables: {} }, signal);
      return rows.flatMap(([value]) => (typeof value === 'string' ? [value] : []));
    };
    response.json(
      await problemsOf(() =>
        options.get(`${dashboard.id} ${variable.name}`, read, goneSignal(response)),
      ),
    );
  });

  router.get('/dashboards/:dashboard/freshness', async (request, response) => {
    const { sources } = findDashboard(dashboards, request);
    const all = await problemsOf(() =>
      freshness.get('all', async (signal) => readFreshness(parts, signal), goneSignal(response)),
    );
    response.json({
      ...all,
      sources:
        sources.length === 0
          ? all.sources
          : sources.map(
              (name) => all.sources.find(({ source }) => source === name) ?? { source: name },
            ),
    } satisfies Freshness);
  });

  return router;
}

async function problemsOf<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw isAbort(error) ? error : panelProblem(error);
  }
}

/** Answers 304 to who has the same data already, so that nothing is drawn anew. */
function sendTagged(request: Request, response: Response, data: PanelData): void {
  // Time goes on even when nothing happens; what is drawn then changes with the pieces alone.
  const pieces = Math.floor(data.to / 1000 / data.bucketSeconds);
  const text = JSON.stringify([data.columns, data.rows, pieces]);
  const tag = `"${createHash('sha256').update(text).digest('base64url')}"`;
  response.set({ ETag: tag, 'Cache-Control': 'no-cache' });
  if (request.headers['if-none-match'] === tag) response.status(304).end();
  else response.json(data);
}

function find(
  dashboards: readonly Dashboard[],
  request: Request,
): { dashboard: Dashboard; panel: Panel } {
  const dashboard = findDashboard(dashboards, request);
  const panel = dashboard.panels.find(({ id }) => id === request.params['panel']);
  if (panel === undefined) throw notFound('panel');
  return { dashboard, panel };
}

function findDashboard(dashboards: readonly Dashboard[], request: Request): Dashboard {
  const dashboard = dashboards.find(({ id }) => id === request.params['dashboard']);
  if (dashboard === undefined) throw notFound('dashboard');
  return dashboard;
}

function queryOf(request: Request): URLSearchParams {
  return new URL(request.originalUrl, 'http://localhost').searchParams;
}

function timeOf(query: URLSearchParams): number {
  const at = Number(query.get('at') ?? 'x');
  if (!Number.isFinite(at)) throw new HttpProblem(400, 'at must be a time in milliseconds.');
  return at;
}

function rangeOf(query: URLSearchParams, dashboard: Dashboard): TimeRange {
  try {
    return parseTimeRange(query, Date.now(), dashboard.range);
  } catch (error) {
    if (error instanceof BadTimeRange) throw new HttpProblem(400, error.message);
    throw error;
  }
}

function variablesOf(query: URLSearchParams, dashboard: Dashboard): Record<string, string> {
  return Object.fromEntries(
    dashboard.variables.map(({ name, default: normal }) => [
      name,
      query.has(name) ? valueOf(query, name) : normal,
    ]),
  );
}

function valueOf(query: URLSearchParams, name: string): string {
  const value = query.get(name) ?? '';
  if (value.length > LONGEST_VALUE) throw new HttpProblem(400, `${name} is too long.`);
  return value;
}
