import type { Lane } from './lane.ts';

/** Lanes of one purpose, opened when first needed, handed out in the order of asking. */
export class LanePool {
  readonly #open: (place: number) => Promise<Lane>;
  /** Places that no lane has been opened for. */
  readonly #vacant: number[];
  readonly #idle: Lane[] = [];
  readonly #waiting: ((lane: Lane | undefined) => void)[] = [];
  #closed = false;

  /** @param size - statements side by side; more wait for their turn */
  constructor(size: number, open: (place: number) => Promise<Lane>) {
    this.#vacant = Array.from({ length: size }, (_, index) => index).reverse();
    this.#open = open;
  }

  /**
   * Runs `work` on a lane of its own.
   *
   * @param signal - gives up waiting when it aborts; work under way goes on
   */
  async use<T>(signal: AbortSignal, work: (lane: Lane) => Promise<T>): Promise<T> {
    const lane = await this.#take(signal);
    try {
      return await work(lane);
    } finally {
      this.#giveBack(lane);
    }
  }

  close(): void {
    this.#closed = true;
    for (const lane of this.#idle.splice(0)) lane.close();
  }

  async #take(signal: AbortSignal): Promise<Lane> {
    signal.throwIfAborted();
    const idle = this.#idle.pop();
    if (idle !== undefined) return idle;
    const vacant = this.#vacant.pop();
    if (vacant !== undefined) return this.#openAt(vacant);
    return new Promise((resolve, reject) => {
      const waiter = (lane: Lane | undefined) => {
        signal.removeEventListener('abort', onAbort);
        if (lane === undefined) this.#take(signal).then(resolve, reject);
        else resolve(lane);
      };
      const onAbort = () => {
        this.#waiting.splice(this.#waiting.indexOf(waiter), 1);
        reject(signal.reason as Error);
      };
      signal.addEventListener('abort', onAbort, { once: true });
      this.#waiting.push(waiter);
    });
  }

  async #openAt(place: number): Promise<Lane> {
    try {
      return await this.#open(place);
    } catch (error) {
      this.#vacant.push(place);
      this.#waiting.shift()?.(undefined);
      throw error;
    }
  }

  #giveBack(lane: Lane): void {
    if (this.#closed) {
      lane.close();
      return;
    }
    const next = this.#waiting.shift();
    if (next === undefined) this.#idle.push(lane);
    else next(lane);
  }
}
