import type { ConnectorStatus } from './connect-client.ts';

/** When failed tasks are restarted. */
export interface RestartPolicy {
  /** Wait after the first restart, in milliseconds; it doubles with each further one. */
  readonly firstDelayMs: number;
  readonly maxDelayMs: number;
  /** A connector that has run this long has recovered: its next failure is a first one. */
  readonly settledMs: number;
}

/** At once, then after 5, 10, 20 … seconds, at last every 5 minutes. */
export const RESTART_POLICY: RestartPolicy = {
  firstDelayMs: 5_000,
  maxDelayMs: 300_000,
  settledMs: 60_000,
};

/** What to do about a connector now. */
export type RestartDecision =
  | { readonly kind: 'leave' }
  /** Restart what has failed; the `attempt`-th time in a row. */
  | {
      readonly kind: 'restart';
      readonly attempt: number;
      readonly trace: string;
      readonly nextDelayMs: number;
    }
  /** It runs again after restarts; said once. */
  | { readonly kind: 'recovered'; readonly attempts: number };

interface History {
  attempts: number;
  notBeforeMs: number;
  runningSinceMs: number | undefined;
  isTold: boolean;
}

const LEAVE: RestartDecision = { kind: 'leave' };

/**
 * Decides when failed tasks are restarted: soon at first, then less and less often, so that what a
 * restart does not mend costs little. What runs, is paused or is stopped is left alone.
 *
 * Pure but for what it remembers of each connector; the caller has the clock.
 */
export class RestartSchedule {
  readonly #policy: RestartPolicy;
  readonly #histories = new Map<string, History>();

  constructor(policy: RestartPolicy = RESTART_POLICY) {
    this.#policy = policy;
  }

  /** @param nowMs - from a clock that never steps back, in milliseconds */
  decide(name: string, status: ConnectorStatus, nowMs: number): RestartDecision {
    const failed = [status.connector, ...status.tasks].find(({ state }) => state === 'FAILED');
    const history = this.#histories.get(name);
    if (failed === undefined) return this.#whenNotFailed(name, history, status, nowMs);
    if (history !== undefined && nowMs < history.notBeforeMs) {
      history.runningSinceMs = undefined;
      return LEAVE;
    }
    const attempt = (history?.attempts ?? 0) + 1;
    const { firstDelayMs, maxDelayMs } = this.#policy;
    const nextDelayMs = Math.min(maxDelayMs, firstDelayMs * 2 ** (attempt - 1));
    this.#histories.set(name, {
      attempts: attempt,
      notBeforeMs: nowMs + nextDelayMs,
      runningSinceMs: undefined,
      isTold: false,
    });
    return { kind: 'restart', attempt, trace: failed.trace ?? 'no reason given', nextDelayMs };
  }

  #whenNotFailed(
    name: string,
    history: History | undefined,
    { connector, tasks }: ConnectorStatus,
    nowMs: number,
  ): RestartDecision {
    if (history === undefined) return LEAVE;
    const runs =
      connector.state === 'RUNNING' &&
      tasks.length > 0 &&
      tasks.every(({ state }) => state === 'RUNNING');
    if (!runs) {
      history.runningSinceMs = undefined;
      return LEAVE;
    }
    history.runningSinceMs ??= nowMs;
    if (nowMs - history.runningSinceMs >= this.#policy.settledMs) this.#histories.delete(name);
    // Connect shows a task as running from its start, before it has reached its database.
    if (history.isTold || nowMs - history.runningSinceMs < this.#policy.firstDelayMs) return LEAVE;
    history.isTold = true;
    return { kind: 'recovered', attempts: history.attempts };
  }
}
