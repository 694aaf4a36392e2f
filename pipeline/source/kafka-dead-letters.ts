import type { Kafka, Producer } from 'kafkajs';
import type { TributaryError } from '#runtime/errors.ts';
import type { Logger } from '#runtime/log.ts';
import { retry, UNTIL_STOPPED } from '#runtime/retry.ts';
import { parseOffset, type Offset } from '../change/offset.ts';
import type { RecordHeaders } from '../change/record-headers.ts';
import { brokerError } from './kafka-client.ts';
import type { RawRecord } from './record-source.ts';

/**
 * Topic of records that could not be applied: value and headers as they came, and headers of ours,
 * one of which is the record's key. One partition, so that an offset is all it takes to find a
 * letter. Its own key is the place of its record, so that it can be taken out.
 */
export const DEAD_LETTER_TOPIC = 'tributary.dead-letters';

/** Partition of all letters, however many the topic has. */
export const LETTER_PARTITION = 0;

/** Begins the names of the headers that a letter has beyond those of its record. */
const OWN_HEADERS = 'tributary.dead-letter.';
const KEY_HEADER = `${OWN_HEADERS}key`;

/** The largest record of a source, and room for our headers beside it. */
const MAX_LETTER_BYTES = 17 * 1024 * 1024;

/** Keeps dead letters in a Kafka topic. */
export interface KafkaDeadLetters {
  /** Resolves to the letter's offset once the broker has it on all in-sync replicas. */
  write(letter: { record: RawRecord; error: TributaryError }, signal: AbortSignal): Promise<Offset>;
  close(): Promise<void>;
}

/**
 * Opens the dead-letter topic, making it when it is not there.
 *
 * Headers of ours hold the place (`topic`, `partition`, `offset`), `code` and `reason`; never a
 * value.
 */
export function createKafkaDeadLetters(kafka: Kafka, log: Logger): KafkaDeadLetters {
  const producer: Producer = kafka.producer({ idempotent: true, allowAutoTopicCreation: false });
  let ready: Promise<void> | undefined;

  async function open(): Promise<void> {
    const admin = kafka.admin();
    await admin.connect();
    try {
      await admin.createTopics({
        topics: [
          {
            topic: DEAD_LETTER_TOPIC,
            numPartitions: LETTER_PARTITION + 1,
            configEntries: [
              // Letters stay, until one is erased: no two have the same key.
              { name: 'cleanup.policy', value: 'compact' },
              { name: 'max.message.bytes', value: String(MAX_LETTER_BYTES) },
            ],
          },
        ],
      });
    } finally {
      await admin.disconnect();
    }
    await producer.connect();
  }

  return {
    async write({ record, error }, signal) {
      return retry(
        async () => {
          try {
            await (ready ??= open());
            const [sent] = await producer.send({
              topic: DEAD_LETTER_TOPIC,
              acks: -1,
              messages: [
                {
                  partition: LETTER_PARTITION,
                  key: letterKey(record),
                  value: record.value,
                  headers: {
                    ...record.headers,
                    ...(record.key === null ? {} : { [KEY_HEADER]: record.key }),
                    [`${OWN_HEADERS}topic`]: record.topic,
                    [`${OWN_HEADERS}partition`]: String(record.partition),
                    [`${OWN_HEADERS}offset`]: record.offset.toString(),
                    [`${OWN_HEADERS}code`]: error.code,
                    [`${OWN_HEADERS}reason`]: error.message,
                  },
                },
              ],
            });
            return parseOffset(sent?.baseOffset ?? '');
          } catch (failure) {
            ready = undefined;
            throw brokerError(failure, 'writing a dead letter');
          }
        },
        { policy: UNTIL_STOPPED, signal, log, what: 'writing a dead letter' },
      );
    },
    async close() {
      if (ready !== undefined) await producer.disconnect();
    },
  };
}

/** Key of the letter of a record. */
export function letterKey(place: {
  readonly topic: string;
  readonly partition: number;
  readonly offset: Offset;
}): string {
  return `${place.topic}/${place.partition}/${place.offset}`;
}

/** The key that the record of a letter had. */
export function keyOfRecord(headers: RecordHeaders = {}): Buffer | null {
  const key = [headers[KEY_HEADER]].flat()[0];
  return key === undefined ? null : Buffer.from(key);
}

/** Headers of a letter that its record had itself. */
export function headersOfRecord(headers: RecordHeaders = {}): RecordHeaders {
  return Object.fromEntries(
    Object.entries(headers).filter(([name]) => !name.startsWith(OWN_HEADERS)),
  );
}
