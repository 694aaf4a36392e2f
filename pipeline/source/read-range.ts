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
 * Reads a range, one record after the other.
 *
 * @throws TributaryError `BROKER_UNAVAILABLE`; what `onMessage` throws
 */
export async function readRange(
  kafka: Kafka,
  range: OffsetRange,
  onMessage: (message: KafkaMessage) => Promise<void>,
): Promise<void> {
  const groupId = `tributary-read-${randomUUID()}`;
  const consumer = kafka.consumer({
    groupId,
    maxBytesPerPartition: FETCH_BYTES,
    maxBytes: FETCH_BYTES,
    maxWaitTimeInMs: 100,
  });
  try {
    await consumer.connect();
    await consumer.subscribe({ topic: range.topic });
    await readUntil(consumer, range, onMessage);
  } finally {
    await consumer.disconnect();
    await removeGroup(kafka, groupId);
  }
}

async function readUntil(
  consumer: Consumer,
  { topic, partition: wanted, first, last }: OffsetRange,
  onMessage: (message: KafkaMessage) => Promise<void>,
): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const giveUp = () =>
      reject(new TributaryError('BROKER_UNAVAILABLE', `the topic ${topic} gives no records`));
    let patience = setTimeout(giveUp, PATIENCE_MS);
    const settle = (act: () => void) => {
      clearTimeout(patience);
      act();
    };
    let done = false;
    consumer
      .run({
        autoCommit: false,
        eachMessage: async ({ partition, message }) => {
          if (done || partition !== wanted) return;
          clearTimeout(patience);
          try {
            await onMessage(message);
          } catch (error) {
            done = true;
            settle(() => reject(error instanceof Error ? error : new Error(String(error))));
            return;
          }
          if (BigInt(message.offset) >= last) {
            done = true;
            settle(resolve);
          } else {
            patience = setTimeout(giveUp, PATIENCE_MS);
          }
        },
      })
      .catch((error: unknown) =>
        settle(() => reject(error instanceof Error ? error : new Error(String(error)))),
      );
    consumer.seek({ topic, partition: wanted, offset: first.toString() });
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
