import {
  circuitBreaker,
  ConsecutiveBreaker,
  ExponentialBackoff,
  handleWhen,
  retry,
  TaskCancelledError,
  timeout,
  TimeoutStrategy,
  wrap,
} from 'cockatiel';
import { z } from 'zod';
import { describeError, isAbort, TributaryError } from '#runtime/errors.ts';
import type { Logger } from '#runtime/log.ts';
import { Problem, unavailable } from './problem.ts';

/** Longest wait for one answer. */
const ATTEMPT_TIMEOUT_MS = 2_000;
/** Few and quick: the caller waits, and a peer in trouble must not get many times the requests. */
const RETRIES = {
  maxAttempts: 2,
  backoff: new ExponentialBackoff({ initialDelay: 50, maxDelay: 400 }),
};
/** After so many failures in a row a peer is left alone; calls fail at once meanwhile. */
const FAILURES_TO_BREAK = 10;
/** How long it is left alone until one call tries whether it is back. */
const BREAK_MS = 1_000;
/** Answers of a peer that may be different next time. */
const TRANSIENT = new Set([429, 502, 503, 504]);

const refusalShape = z.object({ errors: z.array(z.unknown()) });

/** Where a call goes and until when it is wanted. */
export interface PeerCall {
  readonly path: string;
  readonly body?: unknown;
  readonly signal: AbortSignal;
  /**
   * Answers the caller with the peer's own 400. For calls that pass on what the caller wrote, such
   * as a cursor; elsewhere a 400 is a fault between us and the peer.
   */
  readonly passRefusal?: boolean;
}

/** Another service, reached by HTTP. Its methods may be repeated: none of them counts twice. */
export interface Peer {
  /**
   * Resolves with the checked body, or undefined for 404.
   *
   * @throws Problem `dependency-unavailable` when the peer does not answer as it should
   */
  get<Schema extends z.ZodType>(
    schema: Schema,
    call: PeerCall,
  ): Promise<z.output<Schema> | undefined>;
  /** Like `get`, for a read whose parameters are too many for an address: they are the body. */
  lookUp<Schema extends z.ZodType>(
    schema: Schema,
    call: PeerCall,
  ): Promise<z.output<Schema> | undefined>;
  /** Sends a change that is the same when sent twice; the answer says how it went. */
  change(method: 'PUT' | 'DELETE', call: PeerCall): Promise<PeerAnswer>;
}

/** A peer's answer below 500. */
export interface PeerAnswer {
  readonly status: number;
  /** The parsed body; undefined when there was none. */
  readonly body: unknown;
}

/** Failures that say nothing about the request: worth another try, and a sign of a peer in trouble. */
const isTransient = handleWhen(
  (error) =>
    error instanceof TaskCancelledError ||
    (error instanceof TributaryError && error.code === 'SERVICE_UNAVAILABLE'),
);

/**
 * A client for the service `name` at `baseUrl`. Each attempt has a deadline; one that may work next
 * time is repeated twice; after many failures in a row calls fail at once until the peer is back.
 */
export function createPeer(options: { name: string; baseUrl: string; log: Logger }): Peer {
  const { name, baseUrl, log } = options;

  const breaker = circuitBreaker(isTransient, {
    halfOpenAfter: BREAK_MS,
    breaker: new ConsecutiveBreaker(FAILURES_TO_BREAK),
  });
  breaker.onBreak(() => log.warn({ peer: name }, 'a service does not answer: left alone'));
  breaker.onReset(() => log.info({ peer: name }, 'a service answers again'));
  const policy = wrap(
    retry(isTransient, RETRIES),
    breaker,
    timeout(ATTEMPT_TIMEOUT_MS, TimeoutStrategy.Aggressive),
  );

  const attempt = async (
    method: string,
    call: PeerCall,
    signal: AbortSignal,
  ): Promise<PeerAnswer> => {
    let response: Response;
    let text: string;
    try {
      response = await fetch(new URL(call.path, baseUrl), {
        method,
        redirect: 'error',
        signal,
        ...(call.body === undefined
          ? {}
          : {
              headers: { 'content-type': 'application/json' },
              body: JSON.stringify(call.body),
            }),
      });
      text = await response.text();
    } catch (cause) {
      call.signal.throwIfAborted();
      // `fetch failed` says nothing; what failed is its cause.
      const reason = cause instanceof Error && cause.cause !== undefined ? cause.cause : cause;
      throw new TributaryError('SERVICE_UNAVAILABLE', `${name}: ${describeError(reason)}`, {
        cause,
      });
    }
    if (TRANSIENT.has(response.status)) {
      throw new TributaryError('SERVICE_UNAVAILABLE', `${name} answered ${response.status}`);
    }
    if (response.status >= 500) {
      throw new TributaryError('SERVICE_FAILED', `${name} answered ${response.status}`);
    }
    return { status: response.status, body: text === '' ? undefined : parseJson(name, text) };
  };

  const send = async (method: string, call: PeerCall): Promise<PeerAnswer> => {
    try {
      return await policy.execute(async ({ signal }) => attempt(method, call, signal), call.signal);
    } catch (error) {
      // A caller who hung up wants nothing more; one whose time is up wants to know why.
      const cause: unknown = call.signal.aborted ? call.signal.reason : error;
      if (isAbort(cause)) throw cause;
      throw dependencyAway(name, cause);
    }
  };

  const read = async <Schema extends z.ZodType>(
    method: 'GET' | 'POST',
    schema: Schema,
    call: PeerCall,
  ): Promise<z.output<Schema> | undefined> => {
    const { status, body } = await send(method, call);
    if (status === 404) return undefined;
    if (status === 400 && call.passRefusal === true) {
      const refusal = refusalShape.safeParse(body);
      throw new Problem('bad-request', 'The request is not as it should be; see errors.', {
        extras: { errors: refusal.success ? refusal.data.errors : [] },
      });
    }
    const parsed = schema.safeParse(body);
    if (status === 200 && parsed.success) return parsed.data;
    throw dependencyAway(
      name,
      new TributaryError('SERVICE_FAILED', `${name} answered ${status} in an unexpected shape`),
    );
  };

  return {
    get: async (schema, call) => read('GET', schema, call),
    lookUp: async (schema, call) => read('POST', schema, call),
    change: send,
  };
}

function parseJson(name: string, text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    throw new TributaryError('SERVICE_FAILED', `${name} answered something that is not JSON`, {
      cause,
    });
  }
}

function dependencyAway(name: string, cause: unknown) {
  return unavailable(
    'dependency-unavailable',
    `The ${name} service, which this request needs, does not answer; try again.`,
    { extras: { dependency: name }, cause },
  );
}
