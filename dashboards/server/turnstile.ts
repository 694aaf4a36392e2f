/** Thrown when too many wait already. */
export class TurnstileFull extends Error {}

/** Lets a number of callers do something side by side, and a number wait for their turn. */
export class Turnstile {
  readonly #places: number;
  readonly #mostWaiting: number;
  #busy = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(places: number, mostWaiting: number) {
    this.#places = places;
    this.#mostWaiting = mostWaiting;
  }

  /**
   * Waits for a place.
   *
   * @returns gives the place back; call it once
   * @throws TurnstileFull when too many wait already, and the abort reason
   */
  async enter(signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted();
    if (this.#busy < this.#places) {
      this.#busy += 1;
      return () => this.#leave();
    }
    if (this.#waiting.length >= this.#mostWaiting) throw new TurnstileFull();
    await new Promise<void>((resolve, reject) => {
      const proceed = () => {
        signal.removeEventListener('abort', give);
        resolve();
      };
      const give = () => {
        this.#waiting.splice(this.#waiting.indexOf(proceed), 1);
        reject(signal.reason as Error);
      };
      this.#waiting.push(proceed);
      signal.addEventListener('abort', give, { once: true });
    });
    return () => this.#leave();
  }

  /** The place goes to who has waited longest. */
  #leave(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#busy -= 1;
    else next();
  }
}
