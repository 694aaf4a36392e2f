import { setImmediate as nextTurn, setTimeout as delay } from 'node:timers/promises';
import { describeError, isAbort, renderError, TributaryError } from '#runtime/errors.ts';
import type { Logger } from '#runtime/log.ts';
import { retry, UNTIL_STOPPED } from '#runtime/retry.ts';
import { EpochTimeline } from './change/epoch-timeline.ts';
import { formatLsn, type Lsn } from './change/lsn.ts';
import type { Offset } from './change/offset.ts';
import { markedEpoch } from './change/resync-marker.ts';
import type { TransactionId } from './change/transaction-snapshot.ts';
import type { Epoch } from './change/version.ts';
import type { PipelineMetrics } from './metrics.ts';
import type { RecordTranslator } from './record-translator.ts';
import { epochStarts, type ResyncLedger } from './resync/ledger.ts';
import type { RowWork, Work } from './sink/batch.ts';
import { concernsOneRecord, type DeadLetterQueue } from './sink/dead-letter.ts';
import type { Sink } from './sink/sink.ts';
import type { TableLane } from './sink/table-lane.ts';
import type { RawRecord, RecordBatch, RecordSource } from './source/record-source.ts';
import type { TablePlan } from './transform/table-plan.ts';

/** What a pipe is wired from. */
export interface PipeOptions {
  readonly topic: string;
  readonly lane: TableLane;
  readonly translator: RecordTranslator;
  readonly source: RecordSource;
  readonly sink: Sink;
  readonly deadLetters: DeadLetterQueue;
  readonly ledger: ResyncLedger;
  readonly metrics: PipelineMetrics;
  readonly log: Logger;
  /** Aborts when there is no more time to drain. */
  readonly abandon: AbortSignal;
}

/** How far one partition is, as known to this process. */
interface Partition {
  /** Up to which offset the warehouse holds it. */
  readonly fence: Offset;
  /** Epoch in which its positions began. */
  readonly base: Epoch;
  /** Highest commit position so far. */
  commitLsn: Lsn;
  /** The transaction in which the connector's snapshot read the last row that came of one. */
  snapshotBy: TransactionId | undefined;
}

/** Why a partition cannot go on for now, and with what it will. */
interface Interruption {
  readonly rest: RecordBatch;
  /**
   * A resync may begin here, the source has to be asked and does not answer, or a record's position is
   * before that of an earlier one.
   */
  readonly cause:
    | { readonly kind: 'marker'; readonly epoch: Epoch }
    | { readonly kind: 'unavailable'; readonly error: TributaryError }
    | { readonly kind: 'regression'; readonly error: TributaryError };
}

/** Records translated in one go before other work of the process gets a turn. */
const RECORDS_PER_TURN = 500;
/** How often to look whether a resync goes on, and whether somebody began one, in milliseconds. */
const MARKER_POLL_MS = 100;
const REGRESSION_POLL_MS = 2_000;
/** What a resync mends, by an epoch that begins where a partition waits. */
const BEGINS_ANEW: ReadonlySet<string> = new Set(['VERSION_REGRESSED', 'PARTITIONS_CHANGED']);
/** How long to wait before a source that does not answer is asked again, in milliseconds. */
const SOURCE_RETRY_MS = 2_000;

/**
 * The way of one topic's records: translated, told apart from what is stored already, and given to
 * the table's lane. A partition in which a resync begins is held until its snapshot is known; the
 * others, and other tables, go on.
 */
export class TopicPipe {
  readonly #options: PipeOptions;
  readonly #partitions = new Map<number, Partition>();
  /** Highest offset queued by this process, per partition. */
  readonly #queued = new Map<number, Offset>();
  /** Highest offset acknowledged of what this process queued, per partition. */
  readonly #stored = new Map<number, Offset>();
  /** Batches of partitions that are held, in order. */
  readonly #held = new Map<number, RecordBatch[]>();
  /** Markers whose resync is decided, one way or the other. */
  readonly #passed = new Set<Epoch>();
  #timeline: EpochTimeline | undefined;
  #assignment = 0;
  #stopping = false;

  constructor(options: PipeOptions) {
    this.#options = options;
  }

  /** Another process may have stored more, or begun an epoch: ask again. */
  onAssigned(): void {
    this.#assignment += 1;
    this.#partitions.clear();
    this.#held.clear();
    this.#timeline = undefined;
  }

  onAcknowledged(offsets: ReadonlyMap<number, Offset>): void {
    for (const [partition, last] of offsets) this.#stored.set(partition, last);
  }

  /** Takes nothing more over; resolves when what was taken is stored, or the table halted. */
  async drain(): Promise<void> {
    this.#stopping = true;
    await this.#options.lane.drain();
  }

  async onRecords(batch: RecordBatch): Promise<void> {
    if (this.#stopping) return;
    const held = this.#held.get(batch.partition);
    if (held !== undefined) {
      held.push(batch);
      return;
    }
    const interruption = await this.#take(batch);
    if (interruption !== undefined) void this.#hold(interruption);
  }

  /** Stops this table for good, the others go on. */
  halt(error: unknown): void {
    const { lane, source, topic, metrics, log } = this.#options;
    lane.halt();
    source.pause(topic);
    metrics.haltedTables.set({ topic }, 1);
    log.error(
      { topic, reason: describeError(error), advice: renderError(error) },
      'table halted, the others go on',
    );
  }

  async #take(batch: RecordBatch): Promise<Interruption | undefined> {
    const { lane, metrics, source, topic } = this.#options;
    let work: Work[] = [];
    const queue = () => {
      for (const { record } of work) this.#queued.set(record.partition, record.offset);
      lane.enqueue(work);
      work = [];
    };
    let index = 0;
    try {
      this.#timeline ??= await this.#readTimeline();
      for (const record of batch.records) {
        if (lane.isHalted) return undefined;
        const epoch = markedEpoch(record);
        if (epoch !== undefined && !this.#passed.has(epoch) && !this.#isQueued(record)) {
          queue();
          return { rest: restOf(batch, index), cause: { kind: 'marker', epoch } };
        }
        const pending = this.#workOf(record, batch);
        // What is waited for may need what came before to be stored.
        if (pending instanceof Promise) queue();
        const item = pending instanceof Promise ? await pending : pending;
        if (item !== undefined) work.push(item);
        if (work.length >= RECORDS_PER_TURN) {
          queue();
          await nextTurn();
        }
        index += 1;
      }
      queue();
    } catch (error) {
      if (isAbort(error)) return undefined;
      queue();
      if (error instanceof TributaryError && error.code === 'SOURCE_UNAVAILABLE') {
        return { rest: restOf(batch, index), cause: { kind: 'unavailable', error } };
      }
      if (error instanceof TributaryError && BEGINS_ANEW.has(error.code)) {
        return { rest: restOf(batch, index), cause: { kind: 'regression', error } };
      }
      await lane.drain();
      this.halt(error);
      return undefined;
    }
    const last = batch.records.at(-1);
    const behind = last === undefined ? 0n : batch.highWatermark - last.offset - 1n;
    metrics.consumerLag.set({ topic, partition: batch.partition }, Number(behind));
    if (lane.isFull) source.pause(topic);
    return undefined;
  }

  /**
   * What to do about one record; nothing when it was stored or queued before. At once, if neither
   * registry nor warehouse has to be asked: a promise per record would cost more than the record.
   */
  #workOf(record: RawRecord, batch: RecordBatch): Work | undefined | Promise<Work | undefined> {
    if (this.#isQueued(record)) return this.#redelivered();
    const { translator } = this.#options;
    try {
      const work = translator.translate(record, this.#timeline ?? new EpochTimeline([]));
      if (work === undefined) return this.#workOnceReady(record, batch);
      if (work.kind !== 'row') return work;
      const known = this.#partitions.get(record.partition);
      if (known === undefined) return this.#workOnceFenced(work, batch);
      return this.#workInOrder(work, known);
    } catch (error) {
      return this.#setAside(record, error);
    }
  }

  async #workOnceReady(record: RawRecord, batch: RecordBatch): Promise<Work | undefined> {
    try {
      await this.#options.translator.makeReady(record);
    } catch (error) {
      return this.#setAside(record, error);
    }
    return this.#workOf(record, batch);
  }

  async #workOnceFenced(work: RowWork, batch: RecordBatch): Promise<Work | undefined> {
    return this.#workInOrder(work, await this.#readPartition(work.plan, batch));
  }

  /**
   * @throws TributaryError `VERSION_REGRESSED` when a change claims to be older than one before it:
   * the database was restored, or the connector began anew; its version would lose against rows
   * that are older in truth
   */
  #workInOrder(work: RowWork, known: Partition): Work | undefined | Promise<Work> {
    const { record, stamp, plan } = work;
    if (record.offset <= known.fence) return this.#redelivered();
    if (work.isReplayed === true) return work;
    const position = stamp.version.commitLsn;
    const base = this.#timeline?.baseAt(record.partition, record.offset) ?? known.base;
    if (base === known.base && position < known.commitLsn) {
      throw new TributaryError(
        'VERSION_REGRESSED',
        `${plan.source}.${plan.relation}: the change at offset ${record.offset} of partition ${record.partition} has commit position ${formatLsn(position)}, an earlier one ${formatLsn(known.commitLsn)}`,
      );
    }
    const now = base === known.base ? known : { ...known, base, snapshotBy: undefined };
    if (now !== known) this.#partitions.set(record.partition, now);
    now.commitLsn = position;
    const reader = stamp.kind === 'snapshot' ? stamp.origin.transaction : null;
    if (reader === null || reader === now.snapshotBy) return work;
    const isFirst = now.snapshotBy === undefined;
    now.snapshotBy = reader;
    return isFirst ? work : this.#mendSnapshot(work);
  }

  /**
   * The connector was killed in the middle of its snapshot, and began it anew. A row that it had read and
   * that was deleted in between is in neither the new one nor the stream, which begins with it: nothing
   * would tell of the deletion. And rows of a table without a key count twice.
   */
  async #mendSnapshot(work: RowWork): Promise<Work> {
    const { ledger, log, topic } = this.#options;
    const { source, schema, table } = work.plan;
    const reason = 'the snapshot of the connector was broken off and began anew';
    log.warn({ topic }, reason);
    await this.#retry('asking for a resync', () =>
      ledger.request({ source, schema, table, reason }),
    );
    return work;
  }

  /** Keeps a record that cannot be applied. @throws the error, when it is not that record's */
  async #setAside(record: RawRecord, error: unknown): Promise<Work> {
    if (!concernsOneRecord(error)) throw error;
    await this.#options.deadLetters.write({ record, error }, this.#options.abandon);
    return { kind: 'skip', record };
  }

  #isQueued(record: RawRecord): boolean {
    const queued = this.#queued.get(record.partition);
    return queued !== undefined && record.offset <= queued;
  }

  #redelivered(): undefined {
    this.#options.metrics.redelivered.inc({ topic: this.#options.topic });
    return undefined;
  }

  /**
   * How far the warehouse holds a partition, asked once per assignment.
   *
   * @throws TributaryError `VERSION_REGRESSED` when the topic is shorter than what was stored of
   * it: it was made anew, and its records would pass for old ones; `PARTITIONS_CHANGED`
   */
  async #readPartition(plan: TablePlan, batch: RecordBatch): Promise<Partition> {
    const { lane, sink, topic } = this.#options;
    await lane.prepare(plan);
    const base = this.#timeline?.base ?? (0 as Epoch);
    await this.#checkPartitions(plan, base);
    const positions = await this.#retry('reading how far a table is stored', () =>
      sink.storedPositions(plan, base),
    );
    const { offset, commitLsn, snapshotBy } = positions.get(batch.partition) ?? {
      offset: -1n as Offset,
      commitLsn: 0n as Lsn,
      snapshotBy: undefined,
    };
    if (offset >= batch.highWatermark) {
      throw new TributaryError(
        'VERSION_REGRESSED',
        `topic ${topic}, partition ${batch.partition} ends at offset ${batch.highWatermark}, but the warehouse holds offset ${offset} of it: the topic was made anew`,
      );
    }
    const known = { fence: offset, base, commitLsn, snapshotBy };
    this.#partitions.set(batch.partition, known);
    return known;
  }

  /**
   * @throws TributaryError `PARTITIONS_CHANGED` when keys are in other partitions than they were: the
   * changes of a row would no longer be in one order
   */
  async #checkPartitions({ source: name, relation }: TablePlan, base: Epoch): Promise<void> {
    const { ledger, source, topic } = this.#options;
    await this.#retry('reading how many partitions a topic has', async () => {
      const known = await ledger.partitions(topic, base);
      const count = await source.partitionCount(topic);
      if (known === undefined) await ledger.notePartitions(topic, base, count);
      else if (known !== count) {
        throw new TributaryError(
          'PARTITIONS_CHANGED',
          `${name}.${relation}: topic ${topic} has ${count} partitions, it had ${known}`,
        );
      }
    });
  }

  /** Keeps the batches of a partition until a resync lets it go on, then takes them. */
  async #hold(first: Interruption): Promise<void> {
    const { source, topic } = this.#options;
    const { partition } = first.rest;
    const assignment = this.#assignment;
    const batches: RecordBatch[] = [];
    const isOver = () =>
      this.#stopping || this.#assignment !== assignment || this.#options.lane.isHalted;
    this.#held.set(partition, batches);
    source.pause(topic, partition);
    try {
      let interruption: Interruption | undefined = first;
      while (interruption !== undefined) {
        batches.unshift(interruption.rest);
        await this.#untilResolved(interruption, isOver);
        interruption = undefined;
        while (interruption === undefined && !isOver()) {
          const next = batches.shift();
          if (next === undefined) break;
          interruption = await this.#take(next);
        }
        if (isOver()) return;
      }
    } catch (error) {
      if (!isAbort(error)) this.halt(error);
    } finally {
      if (this.#held.get(partition) === batches) this.#held.delete(partition);
      source.resume(topic, partition);
    }
  }

  async #untilResolved({ cause, rest }: Interruption, isOver: () => boolean): Promise<void> {
    const { partition } = rest;
    const { topic, metrics, log } = this.#options;
    if (cause.kind === 'regression') {
      metrics.haltedTables.set({ topic }, 1);
      const { error } = cause;
      log.error(
        { topic, reason: describeError(error), advice: renderError(error) },
        'table waits for a resync, the others go on',
      );
    }
    if (cause.kind === 'unavailable') {
      log.warn({ reason: describeError(cause.error) }, 'table waits for its source');
      await this.#delay(SOURCE_RETRY_MS);
      return;
    }
    while (!isOver() && (this.#stored.get(partition) ?? -1n) < (this.#queued.get(partition) ?? -1n))
      await this.#delay(MARKER_POLL_MS / 10);
    if (isOver()) return;
    await (cause.kind === 'marker'
      ? this.#untilDecided(cause.epoch, rest, isOver)
      : this.#untilBegunAnew(rest, isOver));
    // Fences and order are those of an epoch.
    this.#partitions.delete(partition);
  }

  /** Tells that everything before a marker is stored, and waits for its snapshot. */
  async #untilDecided(epoch: Epoch, rest: RecordBatch, isOver: () => boolean): Promise<void> {
    const { ledger, log } = this.#options;
    await this.#announce('marker', epoch, rest);
    log.info({ partition: rest.partition, epoch }, 'waiting for the snapshot of a resync');
    for (;;) {
      const resyncs = await this.#readResyncs();
      const resync = resyncs.find((other) => other.epoch === epoch);
      if (resync?.state !== 'pausing') {
        this.#timeline = new EpochTimeline(epochStarts(resyncs));
        this.#passed.add(epoch);
        return;
      }
      await this.#retry('giving up a resync', () => ledger.abandonIfSilent(resync));
      await this.#delay(MARKER_POLL_MS);
      if (isOver()) return;
    }
  }

  /** Waits until a resync has begun an epoch in which positions may be what they are. */
  async #untilBegunAnew(rest: RecordBatch, isOver: () => boolean): Promise<void> {
    const { topic, metrics, log } = this.#options;
    const base = this.#timeline?.base ?? (0 as Epoch);
    await this.#announce('regression', base, rest);
    for (;;) {
      const timeline = new EpochTimeline(epochStarts(await this.#readResyncs()));
      if (timeline.base > base) {
        this.#timeline = timeline;
        metrics.haltedTables.set({ topic }, 0);
        log.info({ topic }, 'table goes on in a new epoch');
        return;
      }
      await this.#delay(REGRESSION_POLL_MS);
      if (isOver()) return;
    }
  }

  async #announce(kind: 'marker' | 'regression', epoch: Epoch, rest: RecordBatch): Promise<void> {
    const { ledger, topic } = this.#options;
    const [record] = rest.records;
    if (record === undefined) return;
    const { partition, offset } = record;
    await this.#retry('announcing a pause', () =>
      ledger.pause({ topic, partition, epoch, kind, offset }),
    );
  }

  async #readTimeline(): Promise<EpochTimeline> {
    return new EpochTimeline(epochStarts(await this.#readResyncs()));
  }

  #readResyncs() {
    const { ledger, topic } = this.#options;
    return this.#retry('reading the resyncs', () => ledger.resyncs(topic));
  }

  #retry<T>(what: string, attempt: () => Promise<T>): Promise<T> {
    const { abandon: signal, log } = this.#options;
    return retry(attempt, { policy: UNTIL_STOPPED, signal, log, what });
  }

  #delay(ms: number): Promise<void> {
    return delay(ms, undefined, { signal: this.#options.abandon });
  }
}

function restOf(batch: RecordBatch, index: number): RecordBatch {
  return { ...batch, records: batch.records.slice(index) };
}
