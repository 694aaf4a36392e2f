import { messageCode, TributaryError } from '#runtime/errors.ts';
import type { Logger } from '#runtime/log.ts';
import { retry, UNTIL_STOPPED } from '#runtime/retry.ts';
import type { TablePlan } from '../transform/table-plan.ts';
import { deduplicationToken, type RowWork, type Work } from './batch.ts';
import type { DeadLetterQueue } from './dead-letter.ts';
import { fillBlock, type FilledBlock, type Layout } from './fill-block.ts';
import type { InsertTurn } from './insert-budget.ts';
import type { Sink } from './sink.ts';

/** What inserts need, and whom they tell. */
export interface InsertOptions {
  readonly sink: Sink;
  readonly deadLetters: DeadLetterQueue;
  readonly log: Logger;
  /** Aborts when there is no more time to drain. */
  readonly signal: AbortSignal;
  readonly onStored: (plan: TablePlan, rows: readonly RowWork[]) => void;
}

/** Brings what the current table has into the change log too, once that has all batches before. */
export type Append = () => Promise<void>;

export const NOTHING: Append = async () => undefined;

/** One batch on its way into the warehouse, on a turn of its own. */
export class BatchInsert {
  readonly #options: InsertOptions;
  readonly #turn: InsertTurn;
  readonly #before: Promise<void>;

  /** @param before - resolves when the change log has all batches before this one */
  constructor(options: InsertOptions, turn: InsertTurn, before: Promise<void>) {
    this.#options = options;
    this.#turn = turn;
    this.#before = before;
  }

  /**
   * Inserts rows into the current table. Where ClickHouse refuses a value they are stored in halves,
   * until that record is alone: a dead letter.
   */
  async store(layout: Layout, work: readonly RowWork[]): Promise<Append> {
    const { sink, onStored } = this.#options;
    const filled = await this.#fill(layout, work);
    if (filled.work.length === 0) return NOTHING;
    const token = deduplicationToken(filled.work);
    const storeHalves = (error: unknown) => this.#storeHalves(layout, filled.work, error);
    try {
      await this.#inTurn('inserting', () => sink.insertCurrent(filled.block, token));
    } catch (error) {
      return () => storeHalves(error);
    }
    return async () => {
      try {
        await this.#inTurn('inserting', () => sink.insertChanges(filled.block, token));
      } catch (error) {
        await storeHalves(error);
        return;
      }
      onStored(layout.plan, filled.work);
    };
  }

  /** By itself: rows that come after it must not be in the current table yet. */
  async truncate({ table, own }: Extract<Work, { kind: 'truncate' }>): Promise<void> {
    await this.#untilLogged();
    await this.#inTurn('truncating a table', () => this.#options.sink.truncate(table, own));
  }

  async #fill(layout: Layout, work: readonly RowWork[]): Promise<FilledBlock> {
    const { deadLetters, signal, sink } = this.#options;
    // What is asked for may be in the batch before.
    const looking = {
      lastValues: async (...asked: Parameters<Sink['lastValues']>) => {
        await this.#untilLogged();
        return sink.lastValues(...asked);
      },
      deletesAt: async (...asked: Parameters<Sink['deletesAt']>) => {
        await this.#untilLogged();
        return sink.deletesAt(...asked);
      },
    };
    const filled = await this.#inTurn('reading rows back', () => fillBlock(layout, work, looking));
    // Before what comes after them is stored: behind that nobody looks for them.
    for (const { item, error } of filled.refused) {
      await deadLetters.write({ record: item.record, error }, signal);
    }
    return filled;
  }

  /** The batch before may need the turn. */
  async #untilLogged(): Promise<void> {
    this.#turn.giveBack();
    await this.#before;
    await this.#turn.take();
  }

  async #storeHalves(layout: Layout, work: readonly RowWork[], error: unknown): Promise<void> {
    if (!(error instanceof TributaryError) || messageCode(error) !== 'VALUE_REJECTED') throw error;
    const [only] = work;
    if (only !== undefined && work.length === 1) {
      await this.#options.deadLetters.write({ record: only.record, error }, this.#options.signal);
      return;
    }
    const middle = Math.ceil(work.length / 2);
    for (const half of [work.slice(0, middle), work.slice(middle)]) {
      const append = await this.store(layout, half);
      await append();
    }
  }

  /** Tries until it succeeds, on the turn, which others get while this one waits to try again. */
  async #inTurn<T>(what: string, attempt: () => Promise<T>): Promise<T> {
    const { log, signal } = this.#options;
    return retry(
      async () => {
        await this.#turn.take();
        try {
          return await attempt();
        } catch (error) {
          this.#turn.giveBack();
          throw error;
        }
      },
      { policy: UNTIL_STOPPED, signal, log, what },
    );
  }
}
