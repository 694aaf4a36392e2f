import { setImmediate as nextTurn } from 'node:timers/promises';
import { describeError, isAbort, renderError, TributaryError } from '#runtime/errors.ts';
import type { Logger } from '#runtime/log.ts';
import { retry, UNTIL_STOPPED } from '#runtime/retry.ts';
import type { SchemaRegistry } from './avro/registry-client.ts';
import type { ColumnPattern } from './catalog/table-pattern.ts';
import type { Offset } from './change/offset.ts';
import { FIRST_EPOCH } from './change/version.ts';
import type { PipelineMetrics } from './metrics.ts';
import { RecordTranslator } from './record-translator.ts';
import type { BatchLimits, Work } from './sink/batch.ts';
import type { DeadLetterQueue } from './sink/dead-letter.ts';
import type { FreshnessRecorder } from './sink/freshness-recorder.ts';
import type { Sink } from './sink/sink.ts';
import { concernsOneRecord, TableLane, type RowWork } from './sink/table-lane.ts';
import type {
  RawRecord,
  RecordBatch,
  RecordHandler,
  RecordSource,
} from './source/record-source.ts';
import type { TablePlan } from './transform/table-plan.ts';

/** What a transformer is wired from. */
export interface TransformerOptions {
  readonly source: RecordSource;
  readonly sink: Sink;
  readonly deadLetters: DeadLetterQueue;
  readonly registry: SchemaRegistry;
  /** Columns to keep as exact text, by source. */
  readonly textColumns: ReadonlyMap<string, readonly ColumnPattern[]>;
  readonly freshness: FreshnessRecorder;
  readonly metrics: PipelineMetrics;
  readonly limits: BatchLimits;
  readonly flushIntervalMs: number;
  /** How long a stop may take before what is not stored is left to be delivered again. */
  readonly drainTimeoutMs: number;
  readonly log: Logger;
}

/** What is known of one topic. */
interface Pipe {
  readonly topic: string;
  readonly lane: TableLane;
  readonly translator: RecordTranslator;
  /** Offsets up to which the partition's records are stored or queued; see `fenceOf`. */
  readonly fences: Map<number, Offset>;
  /** Highest offset queued by this process, per partition. */
  readonly queued: Map<number, Offset>;
}

/** Records translated in one go before other work of the process gets a turn. */
const RECORDS_PER_TURN = 500;

/**
 * The pipeline: records from the source become change events, rows, and acknowledged inserts.
 *
 * Each topic has a lane of its own, so that a table that halts or waits holds up no other.
 */
export class Transformer implements RecordHandler {
  readonly #options: TransformerOptions;
  readonly #pipes = new Map<string, Pipe>();
  /** Aborts when the time to drain is over. */
  readonly #abandon = new AbortController();
  #stopping = false;

  constructor(options: TransformerOptions) {
    this.#options = options;
  }

  /** Runs until `signal` aborts, then stores what is queued, commits, and returns. */
  async run(signal: AbortSignal): Promise<void> {
    const { source, drainTimeoutMs, log } = this.#options;
    await source.run(this, signal);
    this.#stopping = true;
    const timer = setTimeout(() => this.#abandon.abort(), drainTimeoutMs);
    await Promise.all([...this.#pipes.values()].map(({ lane }) => lane.drain()));
    clearTimeout(timer);
    if (this.#abandon.signal.aborted)
      log.warn('not all was stored in time; it will be delivered again');
    await source.close();
  }

  onAssigned(): void {
    // Another process may have stored more meanwhile: ask the warehouse again.
    for (const { fences } of this.#pipes.values()) fences.clear();
  }

  async onRecords(batch: RecordBatch): Promise<void> {
    if (this.#stopping) return;
    const pipe = this.#pipeOf(batch.topic);
    let work: Work[] = [];
    try {
      for (const record of batch.records) {
        if (pipe.lane.isHalted) return;
        const pending = this.#workOf(pipe, record, batch);
        const item = pending instanceof Promise ? await pending : pending;
        if (item !== undefined) work.push(item);
        if (work.length >= RECORDS_PER_TURN) {
          this.#queue(pipe, work);
          work = [];
          await nextTurn();
        }
      }
      this.#queue(pipe, work);
    } catch (error) {
      if (isAbort(error)) return;
      this.#queue(pipe, work);
      await pipe.lane.drain();
      this.#halt(pipe, error);
      return;
    }
    const last = batch.records.at(-1);
    const behind = last === undefined ? 0n : batch.highWatermark - last.offset - 1n;
    this.#options.metrics.consumerLag.set(
      { topic: batch.topic, partition: batch.partition },
      Number(behind),
    );
    if (pipe.lane.isFull) this.#options.source.pause(batch.topic);
  }

  #queue(pipe: Pipe, work: readonly Work[]): void {
    for (const { record } of work) pipe.queued.set(record.partition, record.offset);
    pipe.lane.enqueue(work);
  }

  /**
   * What to do about one record; nothing when it was stored or queued before. At once, if neither
   * registry nor warehouse has to be asked: a promise per record would cost more than the record.
   */
  #workOf(
    pipe: Pipe,
    record: RawRecord,
    batch: RecordBatch,
  ): Work | undefined | Promise<Work | undefined> {
    const queued = pipe.queued.get(record.partition);
    if (queued !== undefined && record.offset <= queued) return this.#redelivered(record);
    try {
      if (!pipe.translator.isReady(record)) return this.#workOnceReady(pipe, record, batch);
      const work = pipe.translator.translate(record);
      if (work.kind !== 'row') return work;
      const fence = pipe.fences.get(record.partition);
      if (fence === undefined) return this.#workOnceFenced(pipe, work, batch);
      return record.offset <= fence ? this.#redelivered(record) : work;
    } catch (error) {
      return this.#setAside(record, error);
    }
  }

  async #workOnceReady(
    pipe: Pipe,
    record: RawRecord,
    batch: RecordBatch,
  ): Promise<Work | undefined> {
    try {
      await pipe.translator.makeReady(record);
    } catch (error) {
      return this.#setAside(record, error);
    }
    return this.#workOf(pipe, record, batch);
  }

  async #workOnceFenced(pipe: Pipe, work: RowWork, batch: RecordBatch): Promise<Work | undefined> {
    const fence = await this.#fenceOf(pipe, work.plan, batch);
    return work.record.offset <= fence ? this.#redelivered(work.record) : work;
  }

  /** Keeps a record that cannot be applied. @throws the error, when it is not that record's */
  async #setAside(record: RawRecord, error: unknown): Promise<Work> {
    if (!concernsOneRecord(error)) throw error;
    await this.#options.deadLetters.write({ record, error }, this.#abandon.signal);
    return { kind: 'skip', record };
  }

  #redelivered(record: Pick<RawRecord, 'topic'>): Work | undefined {
    this.#options.metrics.redelivered.inc({ topic: record.topic });
    return undefined;
  }

  /**
   * Offset up to which the warehouse holds a partition, asked once per assignment.
   *
   * @throws TributaryError `VERSION_REGRESSED` when the topic is shorter than what was stored of
   * it: it was made anew, and its records would pass for old ones
   */
  async #fenceOf(pipe: Pipe, plan: TablePlan, batch: RecordBatch): Promise<Offset> {
    const { sink, log } = this.#options;
    await pipe.lane.prepare(plan);
    const stored = await retry(() => sink.storedOffsets(plan), {
      policy: UNTIL_STOPPED,
      signal: this.#abandon.signal,
      log,
      what: 'reading stored offsets',
    });
    const fence = stored.get(batch.partition) ?? (-1n as Offset);
    if (fence >= batch.highWatermark) {
      throw new TributaryError(
        'VERSION_REGRESSED',
        `topic ${batch.topic}, partition ${batch.partition} ends at offset ${batch.highWatermark}, but the warehouse holds offset ${fence} of it: the topic was made anew`,
      );
    }
    pipe.fences.set(batch.partition, fence);
    return fence;
  }

  #pipeOf(topic: string): Pipe {
    let pipe = this.#pipes.get(topic);
    if (pipe === undefined) {
      pipe = this.#createPipe(topic);
      this.#pipes.set(topic, pipe);
    }
    return pipe;
  }

  #createPipe(topic: string): Pipe {
    const { sink, deadLetters, limits, flushIntervalMs, source, registry, textColumns } =
      this.#options;
    const log = this.#options.log.child({ topic });
    const signal = this.#abandon.signal;
    const lane = new TableLane({
      sink,
      deadLetters,
      limits,
      flushIntervalMs,
      log,
      signal,
      onAcknowledged: (offsets) => source.acknowledge(topic, offsets),
      onStored: (plan, rows) => this.#stored(plan, rows),
      onRoom: () => source.resume(topic),
      onHalted: (error) => this.#halt(pipe, error),
    });
    const sourceName = topic.slice(0, topic.indexOf('.'));
    const translator = new RecordTranslator({
      registry,
      source: sourceName,
      textColumns: textColumns.get(sourceName) ?? [],
      epoch: FIRST_EPOCH,
      log,
      signal,
    });
    const pipe: Pipe = { topic, lane, translator, fences: new Map(), queued: new Map() };
    return pipe;
  }

  #stored(plan: TablePlan, rows: readonly RowWork[]): void {
    const { metrics, freshness } = this.#options;
    const storedAtMs = Date.now();
    const committed = rows.flatMap(({ committedAtMicros }) =>
      committedAtMicros === undefined ? [] : [committedAtMicros],
    );
    metrics.storedRows.inc({ source: plan.source, table: plan.relation }, rows.length);
    for (const micros of committed) {
      metrics.endToEndLag.observe(
        { source: plan.source },
        Math.max(0, storedAtMs / 1000 - Number(micros) / 1e6),
      );
    }
    freshness.observe(plan.source, plan.relation, rows.length, committed, storedAtMs);
  }

  #halt({ topic, lane }: Pipe, error: unknown): void {
    lane.halt();
    this.#options.source.pause(topic);
    this.#options.metrics.haltedTables.set({ topic }, 1);
    this.#options.log.error(
      { topic, reason: describeError(error), advice: renderError(error) },
      'table halted, the others go on',
    );
  }
}
