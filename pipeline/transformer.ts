import type { Logger } from '#runtime/log.ts';
import type { SchemaRegistry } from './avro/registry-client.ts';
import type { ColumnNames } from './evolution/column-names.ts';
import type { PipelineMetrics } from './metrics.ts';
import { NO_COLUMN_RULES, type ColumnRules } from './catalog/column-rules.ts';
import { RecordTranslator } from './record-translator.ts';
import type { ResyncLedger } from './resync/ledger.ts';
import type { BatchLimits, RowWork } from './sink/batch.ts';
import { BufferBudget } from './sink/buffer-budget.ts';
import type { DeadLetterQueue } from './sink/dead-letter.ts';
import { InsertBudget } from './sink/insert-budget.ts';
import type { FreshnessRecorder } from './sink/freshness-recorder.ts';
import type { Sink } from './sink/sink.ts';
import { TableLane } from './sink/table-lane.ts';
import type { RecordBatch, RecordHandler, RecordSource } from './source/record-source.ts';
import { TopicPipe } from './topic-pipe.ts';
import type { TablePlan } from './transform/table-plan.ts';

const MICROS_PER_MILLI = 1000;

/** What a transformer is wired from. */
export interface TransformerOptions {
  readonly source: RecordSource;
  readonly sink: Sink;
  readonly deadLetters: DeadLetterQueue;
  readonly registry: SchemaRegistry;
  readonly ledger: ResyncLedger;
  /** What the catalog says of columns, by source. */
  readonly rules: ReadonlyMap<string, ColumnRules>;
  readonly columnNames: ColumnNames;
  readonly freshness: FreshnessRecorder;
  readonly metrics: PipelineMetrics;
  readonly limits: BatchLimits;
  /** Most that waits to be stored, of all tables together, in bytes. */
  readonly bufferBytes: number;
  /** Inserts under way at a time, of all tables together. */
  readonly insertsAtOnce: number;
  readonly flushIntervalMs: number;
  /** How long a stop may take before what is not stored is left to be delivered again. */
  readonly drainTimeoutMs: number;
  readonly log: Logger;
}

/**
 * The pipeline: records from the source become change events, rows, and acknowledged inserts.
 *
 * Each topic has a lane of its own, so that a table that halts or waits holds up no other.
 */
export class Transformer implements RecordHandler {
  readonly #options: TransformerOptions;
  readonly #budget: InsertBudget;
  readonly #buffer: BufferBudget;
  readonly #pipes = new Map<string, TopicPipe>();
  /** Aborts when the time to drain is over. */
  readonly #abandon = new AbortController();
  #stopping = false;

  constructor(options: TransformerOptions) {
    this.#options = options;
    this.#budget = new InsertBudget(options.insertsAtOnce);
    this.#buffer = new BufferBudget(options.bufferBytes);
  }

  /** Runs until `signal` aborts, then stores what is queued, commits, and returns. */
  async run(signal: AbortSignal): Promise<void> {
    const { source, drainTimeoutMs, log } = this.#options;
    await source.run(this, signal);
    this.#stopping = true;
    const timer = setTimeout(() => this.#abandon.abort(), drainTimeoutMs);
    await Promise.all([...this.#pipes.values()].map((pipe) => pipe.drain()));
    clearTimeout(timer);
    if (this.#abandon.signal.aborted)
      log.warn('not all was stored in time; it will be delivered again');
    await source.close();
  }

  onAssigned(): void {
    for (const pipe of this.#pipes.values()) pipe.onAssigned();
  }

  async onRecords(batch: RecordBatch): Promise<void> {
    if (this.#stopping) return;
    let pipe = this.#pipes.get(batch.topic);
    if (pipe === undefined) {
      pipe = this.#createPipe(batch.topic);
      this.#pipes.set(batch.topic, pipe);
    }
    await pipe.onRecords(batch);
    // Nothing more is fetched meanwhile.
    await this.#buffer.room();
  }

  #createPipe(topic: string): TopicPipe {
    const { sink, deadLetters, limits, flushIntervalMs, source, registry, rules, columnNames } =
      this.#options;
    const log = this.#options.log.child({ topic });
    const signal = this.#abandon.signal;
    const lane = new TableLane({
      sink,
      deadLetters,
      limits,
      budget: this.#budget,
      buffer: this.#buffer,
      flushIntervalMs,
      log,
      signal,
      onAcknowledged: (offsets) => {
        pipe.onAcknowledged(offsets);
        source.acknowledge(topic, offsets);
      },
      onStored: (plan, rows) => this.#stored(plan, rows),
      onRoom: () => source.resume(topic),
      onHalted: (error) => pipe.halt(error),
    });
    const sourceName = topic.slice(0, topic.indexOf('.'));
    const translator = new RecordTranslator({
      registry,
      source: sourceName,
      rules: rules.get(sourceName) ?? NO_COLUMN_RULES,
      columnNames,
      log,
      signal,
    });
    const { ledger, metrics } = this.#options;
    const pipe = new TopicPipe({
      topic,
      lane,
      translator,
      source,
      sink,
      deadLetters,
      ledger,
      metrics,
      log,
      abandon: signal,
    });
    return pipe;
  }

  #stored(plan: TablePlan, rows: readonly RowWork[]): void {
    const { metrics, freshness } = this.#options;
    const storedAtMs = Date.now();
    const lag = metrics.endToEndLag.labels(plan.source);
    const lagsMs: number[] = [];
    let lastCommittedAtMicros = 0n;
    for (const { committedAtMicros: micros } of rows) {
      if (micros === undefined) continue;
      const lagMs = Math.max(0, storedAtMs - Number(micros) / MICROS_PER_MILLI);
      lagsMs.push(lagMs);
      lag.observe(lagMs / 1000);
      if (micros > lastCommittedAtMicros) lastCommittedAtMicros = micros;
    }
    metrics.storedRows.inc({ source: plan.source, table: plan.relation }, rows.length);
    freshness.observe(plan.source, plan.relation, rows.length, lagsMs, lastCommittedAtMicros);
  }
}
