/** Time between two looks, in milliseconds; at least this many times what a look takes. */
const INTERVAL_MS = 2_000;
const REST_FACTOR = 4;
const AFTER_FAILURE_MS = 4_000;

/**
 * Calls `look` again and again while the page is seen, one at a time, until `signal` aborts. What
 * takes long is done less often.
 *
 * @param look - returns whether it went well
 * @param isLive - false: once is enough, unless it fails
 */
export function keepLooking(
  look: (signal: AbortSignal) => Promise<boolean>,
  options: { isLive: boolean; signal: AbortSignal },
): void {
  const { isLive, signal } = options;
  const round = async () => {
    const began = performance.now();
    const went = await look(signal);
    if (signal.aborted || (went && !isLive)) return;
    const took = performance.now() - began;
    const wait = Math.max(went ? INTERVAL_MS : AFTER_FAILURE_MS, REST_FACTOR * took);
    const timer = setTimeout(() => void whenSeen(round, signal), wait);
    signal.addEventListener('abort', () => clearTimeout(timer), { once: true });
  };
  void whenSeen(round, signal);
}

async function whenSeen(work: () => Promise<void>, signal: AbortSignal): Promise<void> {
  while (document.hidden && !signal.aborted) {
    await new Promise((resolve) => {
      document.addEventListener('visibilitychange', resolve, { once: true });
      signal.addEventListener('abort', resolve, { once: true });
    });
  }
  if (!signal.aborted) await work();
}
