import pRetry from 'p-retry';
import { describeError, dispositionOf } from './errors.ts';
import type { Logger } from './log.ts';

/** How to try again. Delays grow by `factor` with jitter, up to `maxDelayMs`. */
export interface RetryPolicy {
  /** First delay in milliseconds. */
  readonly minDelayMs: number;
  /** Longest delay in milliseconds. */
  readonly maxDelayMs: number;
  readonly factor: number;
  /** Further attempts after the first; `Infinity` until told to stop. */
  readonly retries: number;
}

/** For a part that comes back by itself: keep at it until stopped. */
export const UNTIL_STOPPED: RetryPolicy = {
  minDelayMs: 50,
  maxDelayMs: 2_000,
  factor: 1.7,
  retries: Infinity,
};

/** Attempt from which a repeated failure is worth a warning instead of a debug line. */
const WARN_FROM_ATTEMPT = 5;

/**
 * Runs `attempt` until it succeeds, fails with something other than a `retry` disposition, runs
 * out of attempts, or `signal` aborts.
 *
 * @throws the last failure, or the abort reason
 */
export async function retry<T>(
  attempt: () => Promise<T>,
  options: { policy: RetryPolicy; signal: AbortSignal; log: Logger; what: string },
): Promise<T> {
  const { policy, signal, log, what } = options;
  return pRetry(attempt, {
    minTimeout: policy.minDelayMs,
    maxTimeout: policy.maxDelayMs,
    factor: policy.factor,
    retries: policy.retries,
    randomize: true,
    signal,
    shouldRetry: ({ error }) => dispositionOf(error) === 'retry',
    onFailedAttempt: ({ error, attemptNumber }) => {
      if (dispositionOf(error) !== 'retry') return;
      const level = attemptNumber >= WARN_FROM_ATTEMPT ? 'warn' : 'debug';
      log[level]({ what, attempt: attemptNumber, reason: describeError(error) }, 'will try again');
    },
  });
}
