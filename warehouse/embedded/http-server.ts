import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Logger } from '#runtime/log.ts';
import { toClickHouseException } from './clickhouse-exception.ts';
import type { Engine } from './engine.ts';
import type { HttpSessions } from './http-sessions.ts';
import { readQueryRequest } from './query-request.ts';
import { acceptedEncoding, QueryResponse } from './query-response.ts';
import { clientException, runQuery } from './run-query.ts';
import { authenticate, type User } from './users.ts';

const MAX_URI_BYTES = 1_048_576;
const KEEP_ALIVE_MS = 10_000;
const OK = 'Ok.\n';

/** What the HTTP interface stands on. */
export interface HttpServerOptions {
  readonly engine: Engine;
  readonly sessions: HttpSessions;
  readonly users: readonly User[];
  readonly log: Logger;
}

/** ClickHouse's HTTP interface. */
export function createHttpServer(options: HttpServerOptions): Server {
  const server = createServer(
    { maxHeaderSize: MAX_URI_BYTES, keepAliveTimeout: KEEP_ALIVE_MS, requestTimeout: 0 },
    (request, response) => {
      response.on('error', () => undefined);
      request.on('error', () => undefined);
      const url = new URL(request.url ?? '/', 'http://localhost');
      if (url.pathname === '/ping' || url.pathname === '/replicas_status') {
        sendText(response, 200, OK);
      } else if (url.pathname !== '/' && url.pathname !== '/query') {
        sendText(response, 404, `There is no handle ${url.pathname}\n`);
      } else if (isGreeting(request, url)) {
        sendText(response, 200, OK);
      } else {
        void answer(options, request, response, url.searchParams);
      }
    },
  );
  return server;
}

/** A bare GET of the root is how people and probes look whether a server is there. */
function isGreeting(request: IncomingMessage, url: URL): boolean {
  return (request.method === 'GET' || request.method === 'HEAD') && !url.searchParams.has('query');
}

function sendText(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'Content-Type': 'text/html; charset=UTF-8' }).end(text);
}

/** Never rejects: whatever happens becomes an answer, and one line in the log. */
async function answer(
  { engine, sessions, users, log }: HttpServerOptions,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  parameters: URLSearchParams,
): Promise<void> {
  const gone = new AbortController();
  outgoing.on('close', () => {
    if (!outgoing.writableFinished) gone.abort();
  });
  const queryId = parameters.get('query_id') ?? '';
  let response = newResponse(queryId, undefined);
  try {
    const user = authenticate(users, incoming.headers, parameters);
    const request = readQueryRequest(incoming, parameters, engine.facts.settings);
    response = newResponse(
      request.queryId,
      request.wantsCompression ? acceptedEncoding(incoming.headers['accept-encoding']) : undefined,
    );
    const { signal } = gone;
    await runQuery({ engine, sessions, user, request, incoming, response, signal });
  } catch (error) {
    if (gone.signal.aborted) {
      log.debug({ query_id: queryId }, 'client went away');
      return;
    }
    const { code, type } = toClickHouseException(error);
    log.warn({ query_id: queryId, code, kind: type }, 'query failed');
    await response.fail(clientException(error, engine.directory));
  } finally {
    // What was not read of a refused body; without this the connection could not be used again.
    incoming.resume();
  }

  function newResponse(queryId: string, encoding: string | undefined): QueryResponse {
    const { version, timezone } = engine.facts;
    return new QueryResponse(outgoing, { queryId, version, timezone, encoding });
  }
}
