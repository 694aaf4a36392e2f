import { randomBytes } from 'node:crypto';
import express, { type Express, type Response } from 'express';
import helmet from 'helmet';
import type { Secret } from '#runtime/config.ts';
import type { Logger } from '#runtime/log.ts';
import { notFound } from './http-problem.ts';
import type { ClickHouseClient } from '@clickhouse/client';
import type { Dashboard } from '../definition/definition.ts';
import { answerProblem } from './answer-problem.ts';
import type { Asset, Bundle } from './bundle.ts';
import { dashboardRoutes } from './dashboard-routes.ts';
import type { FreshnessParts } from './freshness.ts';
import { readDictionary } from './dictionary.ts';
import { goneSignal } from './gone-signal.ts';
import { dashboardPage, dictionaryPage, operationsPage, sqlPage } from './pages.ts';
import { requirePassword } from './credentials.ts';
import { operationRoutes, type OperatorAccess } from './operation-routes.ts';
import { requireSameOrigin } from './same-origin.ts';
import { sqlRoutes } from './sql-routes.ts';

const FOREVER = 'public, max-age=31536000, immutable';
const NONCE_BYTES = 16;

/** What the pages stand on. */
export interface AppParts extends FreshnessParts {
  /** For the SQL page: a client of its own, so that no panel waits behind somebody's query. */
  readonly sqlClient: ClickHouseClient;
  readonly dashboards: readonly Dashboard[];
  readonly bundle: Bundle;
  /** Names beside those of loopback under which the pages may be opened. */
  readonly hosts: readonly string[];
  /** Asked for when it is given. */
  readonly password?: Secret | undefined;
  /** For the page of operations; without it that page only shows. */
  readonly access?: OperatorAccess | undefined;
  readonly log: Logger;
}

/** The Express app: pages, their files, and `/api`. */
export function createApp(parts: AppParts): Express {
  const { dashboards, bundle, log } = parts;
  const app = express();
  app.set('query parser', false);
  app.set('etag', false);
  app.disable('x-powered-by');
  app.use((_request, response, next) => {
    response.locals['nonce'] = randomBytes(NONCE_BYTES).toString('base64');
    next();
  });
  app.use(
    helmet({
      contentSecurityPolicy: {
        useDefaults: false,
        directives: {
          defaultSrc: ["'none'"],
          scriptSrc: ["'self'"],
          // The editor makes a style sheet of its own; it carries the nonce of its page.
          styleSrc: ["'self'", (_request, response) => `'nonce-${nonceOf(response as Response)}'`],
          imgSrc: ["'self'", 'data:'],
          connectSrc: ["'self'"],
          formAction: ["'self'"],
          baseUri: ["'none'"],
          frameAncestors: ["'none'"],
        },
      },
      // Whether there is TLS is up to what stands in front of this.
      strictTransportSecurity: false,
    }),
  );
  app.get('/health', (_request, response) => {
    response.type('text/plain').send('ok\n');
  });
  app.use(requireSameOrigin(parts.hosts));
  if (parts.password !== undefined) app.use(requirePassword(parts.password));
  app.get('/assets/:name', (request, response) => {
    const asset = bundle.assets.get(request.params.name);
    if (asset === undefined) throw notFound('file');
    sendAsset(response, asset, request.acceptsEncodings('gzip') === 'gzip');
  });
  app.use(
    '/api',
    dashboardRoutes(dashboards, parts),
    sqlRoutes(parts.sqlClient),
    operationRoutes(parts.client, parts.access),
  );
  app.get('/', (_request, response) => {
    response.redirect(302, `/d/${dashboards[0]?.id ?? ''}`);
  });
  app.get('/d/:dashboard', (request, response) => {
    const dashboard = dashboards.find(({ id }) => id === request.params.dashboard);
    if (dashboard === undefined) throw notFound('dashboard');
    sendPage(response, dashboardPage({ bundle, dashboards, nonce: nonceOf(response) }, dashboard));
  });
  app.get('/sql', (_request, response) => {
    sendPage(response, sqlPage({ bundle, dashboards, nonce: nonceOf(response) }));
  });
  app.get('/operations', (_request, response) => {
    const hasOperator = parts.access !== undefined;
    sendPage(
      response,
      operationsPage({ bundle, dashboards, nonce: nonceOf(response) }, hasOperator),
    );
  });
  app.get('/dictionary', async (_request, response) => {
    const tables = await readDictionary(parts.client, goneSignal(response));
    sendPage(response, dictionaryPage({ bundle, dashboards, nonce: nonceOf(response) }, tables));
  });
  app.use(() => {
    throw notFound('page');
  });
  app.use(answerProblem(log));
  return app;
}

function nonceOf(response: Response): string {
  return String(response.locals['nonce']);
}

function sendPage(response: Response, html: string): void {
  response.set('Cache-Control', 'no-store').type('html').send(html);
}

function sendAsset(response: Response, asset: Asset, isGzipTaken: boolean): void {
  response.set({ 'Content-Type': asset.type, 'Cache-Control': FOREVER, Vary: 'Accept-Encoding' });
  if (isGzipTaken) response.set('Content-Encoding', 'gzip');
  response.end(isGzipTaken ? asset.gzipped : asset.body);
}
