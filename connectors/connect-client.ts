import { z } from 'zod';
import type { Secret } from '#runtime/config.ts';
import { describeError, isAbort, TributaryError } from '#runtime/errors.ts';
import { createLogger } from '#runtime/log.ts';
import { retry, type RetryPolicy } from '#runtime/retry.ts';

const REQUEST_TIMEOUT_MS = 30_000;

/** Connect answers 409 while workers share out the work; that takes seconds. */
const WHILE_REBALANCING: RetryPolicy = {
  minDelayMs: 100,
  maxDelayMs: 2_000,
  factor: 1.6,
  retries: 20,
};

const taskState = z.object({ id: z.number(), state: z.string(), trace: z.string().optional() });

const status = z.object({
  connector: z.object({ state: z.string(), trace: z.string().optional() }),
  tasks: z.array(taskState),
});

const expanded = z.record(
  z.string(),
  z.object({ info: z.object({ config: z.record(z.string(), z.string()) }), status }),
);

/** States as Connect names them: UNASSIGNED, RUNNING, PAUSED, FAILED, RESTARTING, STOPPED. */
export type ConnectorStatus = z.infer<typeof status>;

/** A connector that Connect has. */
export interface LiveConnector {
  readonly config: Readonly<Record<string, string>>;
  readonly status: ConnectorStatus;
}

/** Kafka Connect's REST interface, as far as we use it. */
export interface ConnectClient {
  /** Every connector by name. */
  list(signal: AbortSignal): Promise<ReadonlyMap<string, LiveConnector>>;
  /** Makes the connector, or changes it to this configuration. */
  put(name: string, config: Readonly<Record<string, string>>, signal: AbortSignal): Promise<void>;
  /** Makes the connector without starting it. */
  createStopped(
    name: string,
    config: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<void>;
  /**
   * Says from where a stopped connector goes on.
   *
   * @param offset - numbers as bigint: positions of a log have 64 bits
   */
  setOffset(
    name: string,
    partition: Readonly<Record<string, string>>,
    offset: Readonly<Record<string, bigint>>,
    signal: AbortSignal,
  ): Promise<void>;
  /** Starts a stopped connector. */
  resume(name: string, signal: AbortSignal): Promise<void>;
  /** Restarts what has failed of a connector. */
  restartFailed(name: string, signal: AbortSignal): Promise<void>;
  /** Tells the connector to end its tasks; it is `STOPPED` some time later. */
  stop(name: string, signal: AbortSignal): Promise<void>;
  /** Forgets a stopped connector and its offsets. */
  removeStopped(name: string, signal: AbortSignal): Promise<void>;
}

/**
 * Client of a Kafka Connect worker. Every method throws TributaryError `CONNECT_UNAVAILABLE` or
 * `CONNECT_REFUSED`.
 *
 * @param secrets - texts to black out in Connect's answers, which repeat what a database said
 */
export function createConnectClient(
  baseUrl: string,
  secrets: readonly Secret[] = [],
): ConnectClient {
  const root = baseUrl.replace(/\/+$/, '');
  const log = createLogger('connect-client', 'silent');

  const ask = async (
    method: string,
    path: string,
    signal: AbortSignal,
    body?: string,
  ): Promise<unknown> => {
    const once = async (): Promise<Response | TributaryError> => {
      const response = await fetch(`${root}${path}`, {
        method,
        signal: AbortSignal.any([signal, AbortSignal.timeout(REQUEST_TIMEOUT_MS)]),
        ...(body === undefined ? {} : { headers: { 'content-type': 'application/json' }, body }),
      }).catch((error: unknown) => {
        if (signal.aborted && isAbort(error)) throw error;
        return unavailable(`does not answer at ${root}: ${reasonOf(error)}`, error);
      });
      if (response instanceof TributaryError || response.ok) return response;
      const text = blackOut(await messageOf(response), secrets);
      if (response.status === 409 || response.status >= 500) {
        throw unavailable(`answered ${response.status} to ${method} ${path}: ${text}`);
      }
      return new TributaryError(
        'CONNECT_REFUSED',
        `Kafka Connect refuses ${method} ${path} (${response.status}): ${text}`,
        { context: { status: response.status } },
      );
    };
    const what = `${method} ${path}`;
    const answer = await retry(once, { policy: WHILE_REBALANCING, signal, log, what });
    if (answer instanceof TributaryError) throw answer;
    const text = await answer.text();
    return text === '' ? undefined : JSON.parse(text);
  };

  const pathOf = (name: string, rest = '') => `/connectors/${encodeURIComponent(name)}${rest}`;
  return {
    async list(signal) {
      const answer = await ask('GET', '/connectors?expand=info&expand=status', signal);
      const parsed = expanded.safeParse(answer);
      if (!parsed.success) throw unavailable(`at ${root} gives an answer that is not Connect's`);
      return new Map(
        Object.entries(parsed.data).map(([name, { info, status }]) => [
          name,
          { config: info.config, status },
        ]),
      );
    },
    async put(name, config, signal) {
      await ask('PUT', pathOf(name, '/config'), signal, JSON.stringify(config));
    },
    async createStopped(name, config, signal) {
      const body = { name, config, initial_state: 'STOPPED' };
      await ask('POST', '/connectors', signal, JSON.stringify(body));
    },
    async setOffset(name, partition, offset, signal) {
      const fields = Object.entries(offset).map(
        ([key, value]) => `${JSON.stringify(key)}:${value}`,
      );
      const body = `{"offsets":[{"partition":${JSON.stringify(partition)},"offset":{${fields.join(',')}}}]}`;
      await ask('PATCH', pathOf(name, '/offsets'), signal, body);
    },
    async resume(name, signal) {
      await ask('PUT', pathOf(name, '/resume'), signal);
    },
    async restartFailed(name, signal) {
      await ask('POST', pathOf(name, '/restart?includeTasks=true&onlyFailed=true'), signal);
    },
    async stop(name, signal) {
      await ask('PUT', pathOf(name, '/stop'), signal);
    },
    async removeStopped(name, signal) {
      await ask('DELETE', pathOf(name, '/offsets'), signal);
      await ask('DELETE', pathOf(name), signal);
    },
  };
}

function unavailable(what: string, cause?: unknown): TributaryError {
  return new TributaryError('CONNECT_UNAVAILABLE', `Kafka Connect ${what}`, { cause });
}

/** fetch hides the reason in the cause. */
function reasonOf(error: unknown): string {
  return error instanceof Error && error.cause !== undefined
    ? describeError(error.cause)
    : describeError(error);
}

async function messageOf(response: Response): Promise<string> {
  const text = await response.text();
  const { success, data } = z.object({ message: z.string() }).safeParse(parseJson(text));
  return (success ? data.message : text).trim();
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** Replaces each secret in a text that came from elsewhere. */
export function blackOut(text: string, secrets: readonly Secret[]): string {
  return secrets
    .map((secret) => secret.reveal())
    .filter((value) => value !== '')
    .reduce((shown, value) => shown.replaceAll(value, '<redacted>'), text);
}
