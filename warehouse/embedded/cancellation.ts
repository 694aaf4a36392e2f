const CANCEL_AGAIN_MS = 500;

/** Asks for a query's end again and again: it may not have begun when it is asked first. */
export class Cancellation {
  readonly #cancel: () => Promise<void>;
  #timer: NodeJS.Timeout | undefined;
  #isOver = false;
  /** Resolves when no request to cancel is under way. */
  settled: Promise<void> = Promise.resolve();

  /** @param cancel - asks once; a failure is as good as having been too early */
  constructor(cancel: () => Promise<void>) {
    this.#cancel = cancel;
  }

  /** Keeps asking from now on until {@link end}. */
  begin(): void {
    if (this.#isOver || this.#timer !== undefined) return;
    this.#ask();
    this.#timer = setInterval(() => this.#ask(), CANCEL_AGAIN_MS);
  }

  /** The query has ended, by itself or not. */
  end(): void {
    this.#isOver = true;
    clearInterval(this.#timer);
  }

  #ask(): void {
    this.settled = this.settled.then(this.#cancel).catch(() => undefined);
  }
}
