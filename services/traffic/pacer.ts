import { setTimeout as sleep } from 'node:timers/promises';
import type { Outcome } from './shopper.ts';

/**
 * Actions that run at the same time, at most. Few: when the machine cannot keep the rate, more of
 * them only make every answer late, until all of them time out.
 */
const MAX_IN_FLIGHT = 16;
/** Debt that is caught up after a stall; older debt is dropped, or a stall would end in a burst. */
const MAX_DEBT_MS = 1_000;
/** Pause after the first failure in a row; doubles up to the longest. */
const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 2_000;

/** How actions are to come. */
export interface Pace {
  /** Actions a second. */
  readonly rate: number;
  /** Stop after this many actions that a service answered; 0 for never. */
  readonly limit: number;
  readonly signal: AbortSignal;
}

/**
 * Starts actions at a steady rate, whether or not earlier ones have finished (up to a bound), until
 * the limit is reached or `signal` aborts; then waits for those that run. While services are away
 * it pauses, longer each time, and goes on when one answers.
 */
export async function runAtPace(pace: Pace, perform: () => Promise<Outcome>): Promise<void> {
  const { limit, signal } = pace;
  const intervalMs = 1_000 / pace.rate;
  const running = new Set<Promise<void>>();
  let answered = 0;
  let pauses = 0;
  let resumeAt = 0;
  let failure: { readonly error: unknown } | undefined;
  let due = performance.now();

  const start = () => {
    const action = perform()
      .then(
        (outcome) => {
          if (outcome === 'away') {
            const now = performance.now();
            // Actions that were under way together fail together: that is one pause, not many.
            if (now < resumeAt) return;
            resumeAt = now + pauseMs(pauses);
            pauses += 1;
          } else if (outcome !== 'skipped') {
            pauses = 0;
            resumeAt = 0;
            answered += 1;
          }
        },
        (error: unknown) => {
          failure ??= { error };
        },
      )
      .finally(() => running.delete(action));
    running.add(action);
  };
  const wanted = () =>
    !signal.aborted && failure === undefined && (limit === 0 || answered < limit);

  while (wanted()) {
    // In trouble, one action at a time finds out whether the services are back.
    const probing = pauses > 0 && running.size > 0;
    const full = running.size >= MAX_IN_FLIGHT || (limit > 0 && answered + running.size >= limit);
    if (probing || full) {
      await Promise.race(running);
      continue;
    }
    const now = performance.now();
    due = Math.max(due, resumeAt, now - MAX_DEBT_MS);
    const waitMs = due - now;
    if (waitMs > 0) {
      await sleep(Math.ceil(waitMs), undefined, { signal }).catch(() => {});
      // An action may have ended meanwhile and changed the pace.
      continue;
    }
    due += intervalMs;
    start();
  }
  await Promise.all(running);
  if (failure !== undefined && !signal.aborted) throw failure.error;
}

function pauseMs(earlierPauses: number): number {
  return Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(earlierPauses, 10));
}
