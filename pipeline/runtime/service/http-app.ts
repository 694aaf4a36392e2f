import { STATUS_CODES } from 'node:http';
import express, {
  type ErrorRequestHandler,
  type Express,
  type Request,
  type RequestHandler,
  type Response,
} from 'express';
import helmet from 'helmet';
import type { Logger } from '#runtime/log.ts';
import { describeError, isAbort } from '#runtime/errors.ts';
import { apiPages } from './api-pages.ts';
import { databaseErrorFields, databaseProblem } from './database-error.ts';
import { openApiDocument, type ApiAbout } from './openapi.ts';
import { Problem } from './problem.ts';
import type { Readiness } from './readiness.ts';
import type { Reply, Route } from './route.ts';

const BODY_LIMIT = '64kb';

/**
 * The Express app of a service: its routes, health endpoints, its OpenAPI document (`/api/openapi.json`)
 * with a page to read it and try it out (`/api/`), and a problem document for whatever else comes.
 */
export function createHttpApp(options: {
  about: ApiAbout;
  routes: readonly Route[];
  readiness: Readiness;
  log: Logger;
}): Express {
  const { about, routes, readiness, log } = options;
  const app = express();
  app.set('query parser', 'simple');
  // Ours are versions of a row, not digests of a body.
  app.set('etag', false);
  app.use(helmet());
  app.use(logRequests(log));
  app.get('/health/live', (_request, response) => {
    response.json({ status: 'live' });
  });
  app.get('/health/ready', async (_request, response) => {
    await readiness.check();
    response.json({ status: 'ready' });
  });
  app.use('/api', apiPages(openApiDocument(about, routes)));
  app.use(express.json({ limit: BODY_LIMIT }));
  for (const route of routes) app[route.method](route.path, mount(route, log));
  for (const [path, methods] of methodsByPath(routes)) app.all(path, refuseMethod(methods));
  app.use(() => {
    throw new Problem('not-found', 'There is nothing at this address.');
  });
  app.use(answerProblem(log));
  return app;
}

function mount(route: Route, log: Logger): RequestHandler {
  return async (request, response) => {
    const controller = new AbortController();
    response.on('close', () => {
      if (!response.writableFinished) controller.abort();
    });
    const reply = await route.answer(request, { signal: controller.signal, log });
    send(response, reply);
  };
}

function send(response: Response, reply: Reply): void {
  response.status(reply.status).set(reply.headers ?? {});
  if (reply.body === undefined) response.end();
  else response.json(reply.body);
}

function methodsByPath(routes: readonly Route[]): Map<string, Set<string>> {
  const paths = new Map([
    ['/health/live', new Set(['GET'])],
    ['/health/ready', new Set(['GET'])],
  ]);
  for (const { path, method } of routes) {
    paths.set(path, (paths.get(path) ?? new Set()).add(method.toUpperCase()));
  }
  return paths;
}

function refuseMethod(methods: ReadonlySet<string>): RequestHandler {
  const allow = [...methods, ...(methods.has('GET') ? ['HEAD'] : []), 'OPTIONS'].join(', ');
  return (request, response) => {
    if (request.method === 'OPTIONS') {
      response.status(204).set('Allow', allow).end();
      return;
    }
    throw new Problem('method-not-allowed', `${request.method} is not possible here.`, {
      headers: { Allow: allow },
    });
  };
}

function logRequests(log: Logger): RequestHandler {
  return (request, response, next) => {
    const startedAt = performance.now();
    response.on('close', () => {
      log.debug(
        {
          method: request.method,
          // The pattern, never the address: ids and filters are row values.
          route: routePath(request),
          status: response.statusCode,
          durationMs: Math.round(performance.now() - startedAt),
        },
        'request answered',
      );
    });
    next();
  };
}

function routePath(request: Request): string {
  const route = request.route as { path?: unknown } | undefined;
  return typeof route?.path === 'string' ? route.path : 'none';
}

function answerProblem(log: Logger): ErrorRequestHandler {
  return (error: unknown, request, response, next) => {
    if (response.headersSent) {
      next(error);
      return;
    }
    // The caller hung up: there is nobody to tell.
    if (isAbort(error) || (request.destroyed && !request.complete)) {
      response.destroy();
      return;
    }
    const problem = toProblem(error);
    if (problem.status >= 500) {
      const cause = problem.cause ?? problem;
      log[problem.kind === 'internal-error' ? 'error' : 'warn'](
        {
          route: routePath(request),
          method: request.method,
          status: problem.status,
          ...(databaseErrorFields(cause) ?? { reason: describeError(cause) }),
        },
        'request failed',
      );
    }
    const document = problem.document();
    response
      .status(document.status)
      .set(problem.headers)
      .type('application/problem+json')
      .send(JSON.stringify(document));
  };
}

function toProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  const known = databaseProblem(error) ?? bodyProblem(error);
  return (
    known ??
    new Problem('internal-error', 'Something went wrong on our side; the log has the reason.', {
      cause: error,
    })
  );
}

/** What Express and its body parser throw for requests they cannot read: 4xx with a `status`. */
function bodyProblem(error: unknown): Problem | undefined {
  if (!(error instanceof Error) || !('status' in error)) return undefined;
  const { status } = error;
  if (typeof status !== 'number' || status < 400 || status > 499) return undefined;
  switch (status) {
    case 413:
      return new Problem('body-too-large', `The body is larger than ${BODY_LIMIT}.`);
    case 415:
      return new Problem('unsupported-media-type', 'This encoding or character set is not known.');
    default:
      return new Problem(
        'bad-request',
        'type' in error && error.type === 'entity.parse.failed'
          ? 'The body is not valid JSON.'
          : `The request cannot be read: ${STATUS_CODES[status] ?? 'bad request'}.`,
      );
  }
}
