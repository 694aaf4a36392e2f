import type { Kafka, Producer } from 'kafkajs';
import type { TributaryError } from '#runtime/errors.ts';
import type { Logger } from '#runtime/log.ts';
import { retry, UNTIL_STOPPED } from '#runtime/retry.ts';
import { brokerError } from './kafka-client.ts';
import type { RawRecord } from './record-source.ts';

/** Topic of records that could not be applied: their bytes, with place and reason as headers. */
export const DEAD_LETTER_TOPIC = 'tributary.dead-letters';

/** Keeps dead letters in a Kafka topic. */
export interface KafkaDeadLetters {
  /** Resolves once the broker has the letter on all in-sync replicas. */
  write(letter: { record: RawRecord; error: TributaryError }, signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

/**
 * Opens the dead-letter topic, making it when it is not there.
 *
 * Headers hold the place (`topic`, `partition`, `offset`), `code` and `reason`; never a value.
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
            // Letters stay until a person has dealt with them.
            configEntries: [{ name: 'retention.ms', value: '-1' }],
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
      await retry(
        async () => {
          try {
            await (ready ??= open());
            await producer.send({
              topic: DEAD_LETTER_TOPIC,
              acks: -1,
              messages: [
                {
                  key: record.key,
                  value: record.value,
                  headers: {
                    topic: record.topic,
                    partition: String(record.partition),
                    offset: record.offset.toString(),
                    code: error.code,
                    reason: error.message,
                  },
                },
              ],
            });
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
