import { setTimeout as delay } from 'node:timers/promises';
import { forEachAtMost } from './for-each-at-most.ts';

/** Items that are looked at side by side. */
const AT_ONCE = 16;
/**
 * Looks begin this far apart, in milliseconds. A look at a database is a connection of its own: a
 * thousand in a burst would hold up everything else that the process does.
 */
const SPACING_MS = 100;

/**
 * Looks at every item again and again until `signal` aborts; looks that are under way then are not
 * waited for. A round begins `intervalMs` after the one before has ended, or later: with many items a
 * round takes as long as they need at ten a second.
 *
 * @param look - must not fail
 */
export async function watchEach<T>(
  items: readonly T[],
  options: { intervalMs: number; signal: AbortSignal },
  look: (item: T) => Promise<void>,
): Promise<void> {
  const { intervalMs, signal } = options;
  const stopped = new Promise<void>((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
  while (!signal.aborted) {
    let next = performance.now();
    const round = forEachAtMost(
      AT_ONCE,
      items,
      async (item) => {
        const rest = next - performance.now();
        next = Math.max(next, performance.now()) + SPACING_MS;
        if (rest > 0) await delay(rest, undefined, { signal }).catch(() => undefined);
        if (!signal.aborted) await look(item);
      },
      signal,
    );
    await Promise.race([round, stopped]);
    await delay(intervalMs, undefined, { signal }).catch(() => undefined);
  }
}
