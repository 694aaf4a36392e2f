import { setTimeout as delay } from 'node:timers/promises';

/** How often it is looked whether a pause is over, in milliseconds. */
const PAUSE_POLL_MS = 200;

/** When the rows that are read next may be read, so that a source gives so many a second and no more. */
export class RowBudget {
  readonly #rowsPerSecond: number;
  #freeAt = 0;

  constructor(rowsPerSecond: number) {
    this.#rowsPerSecond = rowsPerSecond;
  }

  /**
   * Counts rows that were read. Time that nobody read in is not made up for.
   *
   * @param now - milliseconds, of a clock that never goes back
   * @returns milliseconds to wait before more are read
   */
  take(rows: number, now: number): number {
    this.#freeAt = Math.max(this.#freeAt, now) + (rows * 1_000) / this.#rowsPerSecond;
    return this.#freeAt - now;
  }
}

/** Holds back whoever reads a source: to its rate, and while it is paused. */
export interface CopyPace {
  /** Waits until more may be read. @throws the abort reason */
  pass(rows: number, signal: AbortSignal): Promise<void>;
}

/**
 * @param rowsPerSecond - of all readers together; undefined: as fast as they can
 * @param isPaused - asked between two reads
 */
export function createPace(rowsPerSecond: number | undefined, isPaused: () => boolean): CopyPace {
  const budget = rowsPerSecond === undefined ? undefined : new RowBudget(rowsPerSecond);
  return {
    async pass(rows, signal) {
      const wait = budget?.take(rows, performance.now()) ?? 0;
      if (wait > 0) await delay(wait, undefined, { signal });
      while (isPaused()) await delay(PAUSE_POLL_MS, undefined, { signal });
    },
  };
}
