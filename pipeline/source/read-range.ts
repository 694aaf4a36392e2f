import { randomUUID } from 'node:crypto';
import type { Consumer, Kafka, KafkaMessage } from 'kafkajs';
import { TributaryError } from '#runtime/errors.ts';
import type { Offset } from '../change/offset.ts';

/** Part of a partition, both ends included. */
export interface OffsetRange {
  readonly topic: string;
  readonly partition: number;
  readonly first: Offset;
  /** Has to be that of a record: a transaction's end takes an offset, too, but is never read. */
  readonly last: Offset;
}

/** After so long without a record, in milliseconds, the broker is given up. */
const PATIENCE_MS = 30_000;
/** Bytes in one answer of the broker: one record of the largest size. */
const FETCH_BYTES = 18 * 1024 * 1024;

/**
 * Reads ranges, each record after the one before it in its partition. A partition has one range at
 * most.
 *
 * @throws TributaryError `BROKER_UNAVAILABLE`; what `onMessage` throws
 */
export async function readRanges<Range extends OffsetRange>(
  kafka: Kafka,
  ranges: readonly Range[],
  onMessage: (message: KafkaMessage, range: Range) => Promise<void>,
): Promise<void> {
  if (ranges.length === 0) return;
  const groupId = `tributary-read-${randomUUID()}`;
  const consumer = kafka.consumer({
    groupId,
    maxBytesPerPartition: FETCH_BYTES,
    maxBytes: FETCH_BYTES,
    maxWaitTimeInMs: 100,
  });
  try {
    await consumer.connect();
    await consumer.subscribe({ topics: [...new Set(ranges.map(({ topic }) => topic))] });
    await readAll(consumer, ranges, onMessage);
  } finally {
    await consumer.disconnect();
    await removeGroup(kafka, groupId);
  }
}

async function readAll<Range extends OffsetRange>(
  consumer: Consumer,
  ranges: readonly Range[],
  onMessage: (message: KafkaMessage, range: Range) => Promise<void>,
): Promise<void> {
  const unread = new Map(ranges.map((range) => [`${range.topic}/${range.partition}`, range]));
  await new Promise<void>((resolve, reject) => {
    let patience: NodeJS.Timeout | undefined;
    const wait = () => {
      clearTimeout(patience);
      patience = setTimeout(() => {
        const topics = [...new Set([...unread.values()].map(({ topic }) => topic))].join(', ');
        fail(new TributaryError('BROKER_UNAVAILABLE', `no records come of ${topics}`));
      }, PATIENCE_MS);
    };
    const fail = (error: unknown) => {
      clearTimeout(patience);
      unread.clear();
      reject(error instanceof Error ? error : new Error(String(error)));
    };
    wait();
    consumer
      .run({
        autoCommit: false,
        eachMessage: async ({ topic, partition, message, ...payload }) => {
          const place = `${topic}/${partition}`;
          const range = unread.get(place);
          if (range === undefined) {
            payload.pause();
            return;
          }
          // What a message is used for may take its time.
          clearTimeout(patience);
          try {
            await onMessage(message, range);
          } catch (error) {
            fail(error);
            return;
          }
          if (BigInt(message.offset) >= range.last) unread.delete(place);
          if (unread.size === 0) resolve();
          else wait();
        },
      })
      .catch(fail);
    for (const { topic, partition, first } of ranges) {
      consumer.seek({ topic, partition, offset: first.toString() });
    }
  });
}

/** Groups are free, but nobody wants to see a hundred of them. */
async function removeGroup(kafka: Kafka, groupId: string): Promise<void> {
  const admin = kafka.admin();
  try {
    await admin.connect();
    await admin.deleteGroups([groupId]);
  } catch {
    // It goes by itself once its offsets expire.
  } finally {
    await admin.disconnect().catch(() => undefined);
  }
}
