import { EventEmitter, once } from 'node:events';
import { isAbort } from '#runtime/errors.ts';

/** Nobody waits longer while nothing is let go. */
const PATIENCE_MS = 1_000;

/** What one lane holds. */
export interface BufferPart {
  hold(bytes: number): void;
  letGo(bytes: number): void;
  /** Whether it counts: of a lane that cannot store anything for now nobody waits for less. */
  setAside(isAside: boolean): void;
}

/**
 * What all lanes of one process hold together. Each is bounded by itself, but there may be a thousand:
 * whoever brings more waits while they hold too much.
 */
export class BufferBudget {
  readonly #limitBytes: number;
  readonly #less = new EventEmitter().setMaxListeners(0);
  #heldBytes = 0;

  /** @param limitBytes - held together; what is brought at a time comes on top */
  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  newPart(): BufferPart {
    let ours = 0;
    let isAside = false;
    const count = (bytes: number) => {
      this.#heldBytes += bytes;
      if (bytes < 0) this.#less.emit('less');
    };
    return {
      hold: (bytes) => {
        ours += bytes;
        if (!isAside) count(bytes);
      },
      letGo: (bytes) => {
        ours -= bytes;
        if (!isAside) count(-bytes);
      },
      setAside: (aside) => {
        if (aside === isAside) return;
        isAside = aside;
        count(aside ? -ours : ours);
      },
    };
  }

  get isOver(): boolean {
    return this.#heldBytes > this.#limitBytes;
  }

  /** Resolves when there is room for more, or when nothing has been let go for a while. */
  async room(): Promise<void> {
    try {
      while (this.isOver) {
        await once(this.#less, 'less', { signal: AbortSignal.timeout(PATIENCE_MS) });
      }
    } catch (error) {
      if (!isAbort(error)) throw error;
    }
  }
}
