/** The place of one lane among those that insert. */
export interface InsertTurn {
  /** Resolves when the lane may insert; at once when it may already. */
  take(): Promise<void>;
  /** Lets the next lane go; nothing when the lane has no turn. */
  giveBack(): void;
}

/**
 * How many inserts one process has under way at a time, whatever the number of tables. Lanes get
 * their turns in the order of asking, so each waits for every other at most once; what arrives
 * meanwhile goes with its insert. So a thousand busy tables make fewer and larger inserts, instead of
 * a thousand tiny ones that wait in the client or in ClickHouse.
 */
export class InsertBudget {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  /** @param atOnce - inserts under way at a time */
  constructor(atOnce: number) {
    this.#free = atOnce;
  }

  /** A lane's way to its turns. */
  newTurn(): InsertTurn {
    let isOurs = false;
    return {
      take: async () => {
        if (isOurs) return;
        if (this.#free > 0) this.#free -= 1;
        else await new Promise<void>((resolve) => this.#waiting.push(resolve));
        isOurs = true;
      },
      giveBack: () => {
        if (!isOurs) return;
        isOurs = false;
        const next = this.#waiting.shift();
        if (next === undefined) this.#free += 1;
        else next();
      },
    };
  }
}
