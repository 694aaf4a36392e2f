import { setTimeout as delay } from 'node:timers/promises';
import { isAbort, messageCode, TributaryError } from '#runtime/errors.ts';
import { failpoint } from '#runtime/failpoint.ts';
import type { Logger } from '#runtime/log.ts';
import { retry, UNTIL_STOPPED } from '#runtime/retry.ts';
import type { Offset } from '../change/offset.ts';
import { RowReader } from '../transform/row-reader.ts';
import type { TablePlan } from '../transform/table-plan.ts';
import {
  deduplicationToken,
  lastOffsets,
  nextBatch,
  recordBytes,
  WORK_BYTES,
  type Batch,
  type BatchLimits,
  type RowWork,
  type Work,
} from './batch.ts';
import type { BufferBudget, BufferPart } from './buffer-budget.ts';
import type { DeadLetterQueue } from './dead-letter.ts';
import { fillBlock, type Layout } from './fill-block.ts';
import type { InsertBudget, InsertTurn } from './insert-budget.ts';
import type { Sink } from './sink.ts';

/** What a lane needs, and whom it tells. */
export interface LaneOptions {
  readonly sink: Sink;
  readonly deadLetters: DeadLetterQueue;
  readonly limits: BatchLimits;
  /** Inserts of all lanes together. */
  readonly budget: InsertBudget;
  /** What all lanes together hold. */
  readonly buffer: BufferBudget;
  /** Least time between the starts of two inserts, in milliseconds; a lone change never waits. */
  readonly flushIntervalMs: number;
  readonly log: Logger;
  /** Aborts when there is no more time to drain. */
  readonly signal: AbortSignal;
  /** Everything up to these offsets is stored, or kept as dead letter. */
  readonly onAcknowledged: (offsets: ReadonlyMap<number, Offset>) => void;
  readonly onStored: (plan: TablePlan, rows: readonly RowWork[]) => void;
  /** The buffer has room again. */
  readonly onRoom: () => void;
  readonly onHalted: (error: unknown) => void;
}

/**
 * Brings the changes of one topic into the warehouse, in order.
 *
 * One batch is under way at a time; what arrives meanwhile makes the next one. So batches are
 * small when little happens and grow with the load, and no timer delays a lone change. A failure
 * that trying again will not mend halts this lane and no other.
 *
 * States: idle (nothing to do) → flushing (a batch is under way) → idle; any → halted, for good.
 */
export class TableLane {
  readonly #options: LaneOptions;
  readonly #turn: InsertTurn;
  readonly #held: BufferPart;
  #queue: Work[] = [];
  #bufferedBytes = 0;
  #state: 'idle' | 'flushing' | 'halted' = 'idle';
  #done: Promise<void> = Promise.resolve();
  #lastFlushAt = 0;
  #prepared: Layout | undefined;
  #draining = false;
  /** Whether what it does has failed and is to be tried again. */
  #isWaiting = false;
  #cutPause: () => void = () => undefined;

  constructor(options: LaneOptions) {
    this.#options = options;
    this.#turn = options.budget.newTurn();
    this.#held = options.buffer.newPart();
  }

  /**
   * Whether more is buffered than two inserts can take, or anything while none succeeds; the topic should be
   * paused meanwhile.
   */
  get isFull(): boolean {
    if (this.#isWaiting) return true;
    const { maxBytes, maxRows } = this.#options.limits;
    return this.#bufferedBytes > 2 * maxBytes || this.#queue.length > 2 * maxRows;
  }

  get isHalted(): boolean {
    return this.#state === 'halted';
  }

  /** Takes work over, in topic order. Never waits; mind {@link isFull}. */
  enqueue(work: readonly Work[]): void {
    if (this.#state === 'halted' || work.length === 0) return;
    this.#queue.push(...work);
    const bytes = bytesOf(work);
    this.#bufferedBytes += bytes;
    this.#held.hold(bytes + work.length * WORK_BYTES);
    failpoint('after-decode');
    if (this.#hasFullBatch()) this.#cutPause();
    if (this.#state === 'idle') {
      this.#state = 'flushing';
      this.#done = this.#flushAll();
    }
  }

  /** Drops what is queued and takes nothing more over: it is delivered again after a restart. */
  halt(): void {
    this.#state = 'halted';
    this.#letGo(this.#queue.length);
  }

  /** Resolves when everything taken over is stored, or the lane halted. */
  async drain(): Promise<void> {
    this.#draining = true;
    this.#cutPause();
    await this.#done;
  }

  /**
   * Makes storage fit a plan.
   *
   * @throws TributaryError of disposition `halt`, or the abort reason
   */
  async prepare(plan: TablePlan): Promise<Layout> {
    if (this.#prepared?.plan === plan) return this.#prepared;
    const asText = await this.#withRetry('preparing a table', () =>
      this.#options.sink.prepare(plan),
    );
    this.#prepared = { plan, asText, reader: new RowReader(plan, asText) };
    return this.#prepared;
  }

  async #flushAll(): Promise<void> {
    try {
      while (this.#queue.length > 0) {
        await this.#pace();
        // The batch is cut when its turn has come: what arrived meanwhile goes with it.
        await this.#turn.take();
        // Halted while it waited.
        if (this.#queue.length === 0) return;
        const batch = nextBatch(this.#queue, this.#options.limits);
        this.#lastFlushAt = performance.now();
        await this.#apply(batch);
        this.#turn.giveBack();
        this.#letGo(batch.work.length);
        this.#options.onAcknowledged(lastOffsets(batch.work));
        if (!this.isFull) this.#options.onRoom();
      }
      if (!this.isHalted) this.#state = 'idle';
    } catch (error) {
      this.halt();
      if (!isAbort(error)) this.#options.onHalted(error);
    } finally {
      this.#turn.giveBack();
    }
  }

  #setWaiting(isWaiting: boolean): void {
    const isOver = this.#isWaiting && !isWaiting;
    this.#isWaiting = isWaiting;
    this.#held.setAside(isWaiting);
    // There may be nothing queued whose end would tell of it.
    if (isOver && !this.isHalted && !this.isFull) this.#options.onRoom();
  }

  #letGo(count: number): void {
    const gone = this.#queue.splice(0, count);
    const bytes = bytesOf(gone);
    this.#bufferedBytes -= bytes;
    this.#held.letGo(bytes + gone.length * WORK_BYTES);
  }

  /** Spaces inserts, so that ClickHouse is not flooded with tiny parts. */
  async #pace(): Promise<void> {
    const rest = this.#lastFlushAt + this.#options.flushIntervalMs - performance.now();
    if (rest <= 0 || this.#draining || this.#hasFullBatch()) return;
    const full = new Promise<void>((resolve) => (this.#cutPause = resolve));
    await Promise.race([delay(rest), full]);
  }

  #hasFullBatch(): boolean {
    const { maxBytes, maxRows } = this.#options.limits;
    return this.#queue.length >= maxRows || this.#bufferedBytes >= maxBytes;
  }

  async #apply(batch: Batch): Promise<void> {
    const [first] = batch.work;
    if (first?.kind === 'truncate') {
      await this.#inTurn('truncating a table', () =>
        this.#options.sink.truncate(first.table, first.own),
      );
      return;
    }
    const work = batch.work.filter((item) => item.kind === 'row');
    const [head] = work;
    if (head === undefined) return;
    const { plan } = head;
    // Others go on while storage is made.
    if (this.#prepared?.plan !== plan) this.#turn.giveBack();
    await this.#store(await this.prepare(plan), work);
  }

  /** Inserts, and halves the batch where ClickHouse refuses a value, until that record is alone. */
  async #store(layout: Layout, work: readonly RowWork[]): Promise<void> {
    const { sink, onStored } = this.#options;
    const filled = await this.#inTurn('reading rows back', () => fillBlock(layout, work, sink));
    // Before what comes after them is stored: behind that nobody looks for them.
    for (const { item, error } of filled.refused) await this.#deadLetter(item, error);
    const [only] = filled.work;
    if (only === undefined) return;
    try {
      await this.#inTurn('inserting', () =>
        sink.insert(filled.block, deduplicationToken(filled.work)),
      );
      onStored(layout.plan, filled.work);
    } catch (error) {
      if (!(error instanceof TributaryError) || messageCode(error) !== 'VALUE_REJECTED')
        throw error;
      if (filled.work.length === 1) {
        await this.#deadLetter(only, error);
        return;
      }
      const middle = Math.ceil(filled.work.length / 2);
      await this.#store(layout, filled.work.slice(0, middle));
      await this.#store(layout, filled.work.slice(middle));
    }
  }

  async #deadLetter(item: RowWork, error: TributaryError): Promise<void> {
    await this.#options.deadLetters.write({ record: item.record, error }, this.#options.signal);
  }

  async #withRetry<T>(what: string, attempt: () => Promise<T>): Promise<T> {
    const { log, signal } = this.#options;
    const tryOnce = async () => {
      try {
        return await attempt();
      } catch (error) {
        this.#setWaiting(true);
        throw error;
      }
    };
    try {
      return await retry(tryOnce, { policy: UNTIL_STOPPED, signal, log, what });
    } finally {
      this.#setWaiting(false);
    }
  }

  /** The same on the lane's turn, which others get while this one waits to try again. */
  async #inTurn<T>(what: string, attempt: () => Promise<T>): Promise<T> {
    return this.#withRetry(what, async () => {
      await this.#turn.take();
      try {
        return await attempt();
      } catch (error) {
        this.#turn.giveBack();
        throw error;
      }
    });
  }
}

function bytesOf(work: readonly Work[]): number {
  return work.reduce((sum, { record }) => sum + recordBytes(record), 0);
}
