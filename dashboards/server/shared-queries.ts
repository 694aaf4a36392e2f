/** Least age at which a result is asked for anew, in milliseconds. */
const LEAST_AGE_MS = 1_000;
/** A query may use this share of the time at most: one that takes 2 s is repeated every 10 s. */
const REST_FACTOR = 4;
/** Results that are kept; the oldest goes first. */
const MOST_ENTRIES = 500;

interface Entry<T> {
  readonly result: Promise<T>;
  readonly controller: AbortController;
  waiters: number;
  /** When the result is too old; `Infinity` while it is awaited. */
  expiresAt: number;
}

/**
 * One query for all who ask the same at about the same time: who comes while it runs waits with the
 * others, who comes soon after gets what they got. When the last who waits has gone, it is cancelled.
 */
export class SharedQueries<T> {
  readonly #entries = new Map<string, Entry<T>>();
  readonly #now: () => number;

  /** @param now - a clock in milliseconds */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /**
   * @param key - equal for equal questions
   * @param run - asks; its signal aborts when nobody waits any more
   * @param signal - aborts when this caller no longer waits
   * @throws what `run` throws, to all who wait; the abort reason of `signal`
   */
  async get(
    key: string,
    run: (signal: AbortSignal) => Promise<T>,
    signal: AbortSignal,
  ): Promise<T> {
    signal.throwIfAborted();
    const known = this.#entries.get(key);
    const entry =
      known !== undefined && this.#now() < known.expiresAt ? known : this.#begin(key, run);
    entry.waiters += 1;
    try {
      return await raceAbort(entry.result, signal);
    } finally {
      entry.waiters -= 1;
      if (entry.waiters === 0 && entry.expiresAt === Infinity) {
        entry.controller.abort();
        if (this.#entries.get(key) === entry) this.#entries.delete(key);
      }
    }
  }

  #begin(key: string, run: (signal: AbortSignal) => Promise<T>): Entry<T> {
    const controller = new AbortController();
    const began = this.#now();
    const entry: Entry<T> = {
      result: run(controller.signal),
      controller,
      waiters: 0,
      expiresAt: Infinity,
    };
    const settle = () => {
      const ended = this.#now();
      entry.expiresAt = ended + Math.max(LEAST_AGE_MS, REST_FACTOR * (ended - began));
    };
    // A failure is kept for a while as well: asking at once again would help nobody.
    entry.result.then(settle, settle);
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    const [oldest] = this.#entries.keys();
    if (this.#entries.size > MOST_ENTRIES && oldest !== undefined) this.#entries.delete(oldest);
    return entry;
  }
}

/** The result, or the reason of the abort if that comes first. */
async function raceAbort<T>(result: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason as Error);
    signal.addEventListener('abort', onAbort, { once: true });
    result.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}
