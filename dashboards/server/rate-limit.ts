/** Names that are kept; beyond, the oldest is forgotten. */
const MOST_NAMES = 1_000;

interface Window {
  count: number;
  readonly endsAt: number;
}

/** Counts what happens under a name in windows of time, to bound it. */
export class RateLimit {
  readonly #limit: number;
  readonly #windowMs: number;
  readonly #now: () => number;
  readonly #windows = new Map<string, Window>();

  /**
   * @param limit - how often in a window
   * @param now - a clock in milliseconds
   */
  constructor(limit: number, windowMs: number, now: () => number = () => performance.now()) {
    this.#limit = limit;
    this.#windowMs = windowMs;
    this.#now = now;
  }

  /** Counts once more. */
  count(name: string): void {
    const window = this.#current(name);
    if (window !== undefined) {
      window.count += 1;
      return;
    }
    this.#windows.delete(name);
    this.#windows.set(name, { count: 1, endsAt: this.#now() + this.#windowMs });
    const [oldest] = this.#windows.keys();
    if (this.#windows.size > MOST_NAMES && oldest !== undefined) this.#windows.delete(oldest);
  }

  /** Seconds until more is allowed; 0 when it is. */
  waitSeconds(name: string): number {
    const window = this.#current(name);
    return window === undefined || window.count < this.#limit
      ? 0
      : Math.ceil((window.endsAt - this.#now()) / 1_000);
  }

  #current(name: string): Window | undefined {
    const window = this.#windows.get(name);
    return window !== undefined && this.#now() < window.endsAt ? window : undefined;
  }
}
