import { setTimeout as delay } from 'node:timers/promises';
import { isAbort } from '#runtime/errors.ts';
import { failpoint } from '#runtime/failpoint.ts';
import { retry, UNTIL_STOPPED } from '#runtime/retry.ts';
import type { Offset } from '../change/offset.ts';
import { RowReader } from '../transform/row-reader.ts';
import type { TablePlan } from '../transform/table-plan.ts';
import { BatchInsert, NOTHING, type Append, type InsertOptions } from './batch-insert.ts';
import { lastOffsets, nextBatch, recordBytes, type BatchLimits, type Work } from './batch.ts';
import type { Layout } from './fill-block.ts';
import type { InsertBudget, InsertTurn } from './insert-budget.ts';

/** What a lane needs, and whom it tells. */
export interface LaneOptions extends InsertOptions {
  readonly limits: BatchLimits;
  /** Inserts of all lanes together. */
  readonly budget: InsertBudget;
  /** Least time between the starts of two inserts, in milliseconds; a lone change never waits. */
  readonly flushIntervalMs: number;
  /** Everything up to these offsets is stored, or kept as dead letter. */
  readonly onAcknowledged: (offsets: ReadonlyMap<number, Offset>) => void;
  /** The buffer has room again. */
  readonly onRoom: () => void;
  readonly onHalted: (error: unknown) => void;
}

/** Inserts' worth of work that are buffered: one for each table under way, and the next. */
const BUFFERED_BATCHES = 3;

/**
 * Brings the changes of one topic into the warehouse, in order.
 *
 * What arrives while a batch goes into the current table makes the next one. So batches are small
 * when little happens and grow with the load, and no timer delays a lone change. While a batch goes
 * into the change log the next one is read and goes into the current table; the log takes them one
 * after the other. A failure that trying again will not mend halts this lane and no other.
 *
 * States: idle (nothing is queued) → flushing (batches are cut) → idle; any → halted, for good.
 */
export class TableLane {
  readonly #options: LaneOptions;
  #queue: Work[] = [];
  #queuedBytes = 0;
  /** Cut, and not acknowledged yet. */
  #underWay = { items: 0, bytes: 0 };
  #state: 'idle' | 'flushing' | 'halted' = 'idle';
  #flushed: Promise<void> = Promise.resolve();
  /** Resolves when the change log has all batches up to the one that the current table got last. */
  #logged: Promise<void> = Promise.resolve();
  #lastFlushAt = 0;
  #prepared: Layout | undefined;
  #draining = false;
  #cutPause: () => void = () => undefined;

  constructor(options: LaneOptions) {
    this.#options = options;
  }

  /** Whether enough is buffered for now; the topic should be paused meanwhile. */
  get isFull(): boolean {
    const { maxBytes, maxRows } = this.#options.limits;
    return (
      this.#queuedBytes + this.#underWay.bytes > BUFFERED_BATCHES * maxBytes ||
      this.#queue.length + this.#underWay.items > BUFFERED_BATCHES * maxRows
    );
  }

  get isHalted(): boolean {
    return this.#state === 'halted';
  }

  /** Takes work over, in topic order. Never waits; mind {@link isFull}. */
  enqueue(work: readonly Work[]): void {
    if (this.#state === 'halted' || work.length === 0) return;
    for (const item of work) this.#queue.push(item);
    this.#queuedBytes += bytesOf(work);
    failpoint('after-decode');
    if (this.#hasFullBatch()) this.#cutPause();
    if (this.#state === 'idle') {
      this.#state = 'flushing';
      this.#flushed = this.#flushAll();
    }
  }

  /** Drops what is queued and takes nothing more over: it is delivered again after a restart. */
  halt(): void {
    this.#state = 'halted';
    this.#queue = [];
    this.#queuedBytes = 0;
  }

  /** Resolves when everything taken over is stored, or the lane halted. */
  async drain(): Promise<void> {
    this.#draining = true;
    this.#cutPause();
    await this.#flushed;
    await this.#logged.catch(() => undefined);
  }

  /**
   * Makes storage fit a plan.
   *
   * @throws TributaryError of disposition `halt`, or the abort reason
   */
  async prepare(plan: TablePlan): Promise<Layout> {
    if (this.#prepared?.plan === plan) return this.#prepared;
    const { log, signal, sink } = this.#options;
    const policy = { policy: UNTIL_STOPPED, signal, log, what: 'preparing a table' };
    const asText = await retry(() => sink.prepare(plan), policy);
    this.#prepared = { plan, asText, reader: new RowReader(plan, asText) };
    return this.#prepared;
  }

  async #flushAll(): Promise<void> {
    while (this.#queue.length > 0) {
      await this.#pace();
      const turn = this.#options.budget.newTurn();
      // The batch is cut when its turn has come: what arrived meanwhile goes with it.
      await turn.take();
      const { work } = nextBatch(this.#queue, this.#options.limits);
      const bytes = bytesOf(work);
      this.#queue.splice(0, work.length);
      this.#queuedBytes -= bytes;
      this.#underWay.items += work.length;
      this.#underWay.bytes += bytes;
      this.#lastFlushAt = performance.now();
      try {
        await this.#flush(work, turn);
      } catch (error) {
        turn.giveBack();
        this.#fail(error);
      }
    }
    if (this.#state === 'flushing') this.#state = 'idle';
  }

  /** Resolves when a batch is in the current table, and on its way into the change log. */
  async #flush(work: readonly Work[], turn: InsertTurn): Promise<void> {
    const append = await this.#store(work, turn);
    // The batch before may need it.
    turn.giveBack();
    await this.#logged;
    this.#logged = append()
      .then(() => this.#acknowledge(work))
      .finally(() => turn.giveBack());
    this.#logged.catch((error: unknown) => this.#fail(error));
  }

  async #store(work: readonly Work[], turn: InsertTurn): Promise<Append> {
    const batch = new BatchInsert(this.#options, turn, this.#logged);
    const [first] = work;
    if (first?.kind === 'truncate') await batch.truncate(first);
    const rows = work.filter((item) => item.kind === 'row');
    const [row] = rows;
    if (row === undefined) return NOTHING;
    // Others go on while storage is made.
    if (this.#prepared?.plan !== row.plan) turn.giveBack();
    return batch.store(await this.prepare(row.plan), rows);
  }

  #acknowledge(work: readonly Work[]): void {
    this.#underWay.items -= work.length;
    this.#underWay.bytes -= bytesOf(work);
    this.#options.onAcknowledged(lastOffsets(work));
    if (!this.isFull) this.#options.onRoom();
  }

  #fail(error: unknown): void {
    if (this.#state === 'halted') return;
    this.halt();
    if (!isAbort(error)) this.#options.onHalted(error);
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
    return this.#queue.length >= maxRows || this.#queuedBytes >= maxBytes;
  }
}

function bytesOf(work: readonly Work[]): number {
  return work.reduce((sum, { record }) => sum + recordBytes(record), 0);
}
