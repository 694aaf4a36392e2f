import { Secret } from '#runtime/config.ts';
import { createLogger } from '#runtime/log.ts';
import {
  startService,
  type RunningService,
  type ServiceDefinition,
} from '#runtime/service/service-main.ts';

/** What a service answered to a test. */
export interface TestAnswer {
  readonly status: number;
  readonly headers: Headers;
  /** The body as it came. */
  readonly text: string;
  /** The parsed body; an empty object when there was none. */
  readonly body: Record<string, unknown>;
}

/** A service that runs inside the test process, on a port of its own. */
export interface TestService extends AsyncDisposable {
  readonly url: string;
  readonly running: RunningService;
  call(
    method: string,
    path: string,
    body?: unknown,
    headers?: Record<string, string>,
  ): Promise<TestAnswer>;
  /** Like `call`, for requests that prepare a test: anything but 2xx fails it. */
  must(method: string, path: string, body?: unknown): Promise<Record<string, unknown>>;
}

type BaseConfig = { port: number; listenHost: string; databaseUrl: Secret; logLevel: 'silent' };

/** Starts a service on the database and waits until it is ready. */
export async function runForTest<const Urls extends object>(
  definition: ServiceDefinition<BaseConfig & Urls>,
  databaseUrl: string,
  urls: Urls,
): Promise<TestService> {
  const config = {
    port: 0,
    listenHost: '127.0.0.1',
    databaseUrl: new Secret(databaseUrl),
    logLevel: 'silent' as const,
    ...urls,
  };
  const running = await startService(definition, config, createLogger('test', 'silent'));
  const url = `http://127.0.0.1:${running.port}`;
  try {
    await running.ready;
  } catch (error) {
    await running.stop();
    throw error;
  }
  const service: TestService = {
    url,
    running,
    call: async (method, path, body, headers = {}) => {
      const response = await fetch(`${url}${path}`, {
        method,
        ...(body === undefined
          ? { headers }
          : {
              headers: { 'content-type': 'application/json', ...headers },
              body: typeof body === 'string' ? body : JSON.stringify(body),
            }),
      });
      const text = await response.text();
      return {
        status: response.status,
        headers: response.headers,
        text,
        body: text === '' ? {} : (JSON.parse(text) as Record<string, unknown>),
      };
    },
    must: async (method, path, body) => {
      const answer = await service.call(method, path, body);
      if (answer.status >= 300) {
        throw new Error(`${method} ${path} was answered ${answer.status}: ${answer.text}`);
      }
      return answer.body;
    },
    [Symbol.asyncDispose]: async () => running.stop(),
  };
  return service;
}

/** All items of a list, page by page; `between` runs after each page but the last. */
export async function readAll(
  service: TestService,
  path: string,
  between: () => Promise<void> = async () => {},
): Promise<Record<string, unknown>[]> {
  const items: Record<string, unknown>[] = [];
  let cursor: string | null = null;
  do {
    const query: string = cursor === null ? '' : `&cursor=${cursor}`;
    const page = await service.must('GET', `${path}${query}`);
    items.push(...(page['items'] as Record<string, unknown>[]));
    cursor = page['next_cursor'] as string | null;
    if (cursor !== null) await between();
  } while (cursor !== null);
  return items;
}
