import { offset, type Offset } from '../change/offset.ts';
import type { RecordHeaders } from '../change/record-headers.ts';
import type { RawRecord, RecordHandler, RecordSource } from '../source/record-source.ts';

const PARTITIONS = 2;

/** A record of a log that lives in the test. */
export interface LogRecord {
  readonly partition: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers?: RecordHeaders | undefined;
}

/**
 * A record source that replays a log from memory, with Kafka's contract: at-least-once from the
 * acknowledged offset on. One instance is one life of a process.
 */
export class ReplaySource implements RecordSource {
  readonly topic: string;
  /** Next offset to deliver to a process that comes after this one, per partition. */
  readonly committed = new Map<number, Offset>();
  /** Most records that were handed over and not acknowledged when more were. */
  mostAhead = 0;
  readonly #records: readonly RawRecord[];
  readonly #cuts: readonly number[];
  readonly #partitionCount: number;
  readonly #paused = new Set<string>();
  #wake: () => void = () => undefined;

  /**
   * @param from - first offset to deliver, per partition
   * @param cuts - sizes of the batches, used round and round
   * @param partitions - how many the topic has, also where none has a record
   * @param until - deliver only this many of the log's first records, although there are more
   */
  constructor(
    topic: string,
    log: readonly LogRecord[],
    options: {
      from?: ReadonlyMap<number, Offset>;
      cuts?: readonly number[];
      until?: number;
      partitions?: number;
    } = {},
  ) {
    this.#partitionCount = options.partitions ?? PARTITIONS;
    this.topic = topic;
    this.#cuts = options.cuts ?? [100];
    const next = new Map<number, bigint>();
    this.#records = log
      .map(({ partition, key, value, headers }) => {
        const own = next.get(partition) ?? 0n;
        next.set(partition, own + 1n);
        return { topic, partition, offset: offset(own), key, value, headers };
      })
      .slice(0, options.until)
      .filter((record) => record.offset >= (options.from?.get(record.partition) ?? 0n));
    for (const [partition, end] of next) this.#ends.set(partition, offset(end));
  }

  readonly #ends = new Map<number, Offset>();

  async run(handler: RecordHandler, signal: AbortSignal): Promise<void> {
    handler.onAssigned();
    let rest = this.#records;
    for (let turn = 0; rest.length > 0 && !signal.aborted; turn += 1) {
      while (this.#paused.has(this.topic) && !signal.aborted) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
          signal.addEventListener('abort', () => resolve(), { once: true });
        });
      }
      const [first] = rest;
      if (first === undefined || signal.aborted) return;
      const size = this.#cuts[turn % this.#cuts.length] ?? 1;
      const other = rest.findIndex((record) => record.partition !== first.partition);
      const records = rest.slice(0, Math.min(size, other === -1 ? rest.length : other));
      const next = this.committed.get(first.partition) ?? 0n;
      this.mostAhead = Math.max(this.mostAhead, Number(first.offset - next));
      rest = rest.slice(records.length);
      await handler.onRecords({
        topic: this.topic,
        partition: first.partition,
        records,
        highWatermark: this.#ends.get(first.partition) ?? offset(0n),
      });
    }
  }

  partitionCount(): Promise<number> {
    return Promise.resolve(this.#partitionCount);
  }

  acknowledge(_topic: string, offsets: ReadonlyMap<number, Offset>): void {
    for (const [partition, last] of offsets) this.committed.set(partition, offset(last + 1n));
  }

  pause(topic: string): void {
    this.#paused.add(topic);
  }

  resume(topic: string): void {
    this.#paused.delete(topic);
    this.#wake();
  }

  async close(): Promise<void> {
    // Nothing to leave: the log is in memory.
  }
}
