import type { Offset } from '../change/offset.ts';
import type { RecordHeaders } from '../change/record-headers.ts';

/** A record as it came from the broker. Key and value are the bytes in the topic. */
export interface RawRecord {
  readonly topic: string;
  readonly partition: number;
  readonly offset: Offset;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers?: RecordHeaders | undefined;
}

/** Records of one partition, in offset order. */
export interface RecordBatch {
  readonly topic: string;
  readonly partition: number;
  readonly records: readonly RawRecord[];
  /** Offset that the partition's next record will get. */
  readonly highWatermark: Offset;
}

/** Who takes the records. */
export interface RecordHandler {
  /**
   * Takes records over; resolves when the next ones may come. Not when they are stored: that is
   * what {@link RecordSource.acknowledge} is for.
   */
  onRecords(batch: RecordBatch): Promise<void>;
  /** Partitions were assigned anew: records may come again from the last committed offset. */
  onAssigned(): void;
}

/** Where records come from. One implementation: Kafka. */
export interface RecordSource {
  /** Delivers records until `signal` aborts or {@link close} is called. */
  run(handler: RecordHandler, signal: AbortSignal): Promise<void>;
  /** Everything of the partition up to and including these offsets is stored. */
  acknowledge(topic: string, offsets: ReadonlyMap<number, Offset>): void;
  /** Stops delivering records of a topic, or of one partition of it, until {@link resume}. */
  pause(topic: string, partition?: number): void;
  resume(topic: string, partition?: number): void;
  /**
   * How many partitions a topic has now.
   *
   * @throws TributaryError `BROKER_UNAVAILABLE`
   */
  partitionCount(topic: string): Promise<number>;
  /** Commits what was acknowledged, and leaves the group. */
  close(): Promise<void>;
}
