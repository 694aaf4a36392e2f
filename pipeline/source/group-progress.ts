import { setTimeout as delay } from 'node:timers/promises';
import type { Kafka } from 'kafkajs';
import { brokerError } from './kafka-client.ts';

const PAUSE_MS = 100;

/**
 * Waits until a consumer group has committed everything that the topics hold at the time of the
 * call; what is added meanwhile is not waited for.
 *
 * @param deadline - when to give up, in milliseconds since 1970
 * @returns records still missing at the deadline; 0 when none are
 * @throws TributaryError `BROKER_UNAVAILABLE`; the abort reason
 */
export async function waitUntilConsumed(
  kafka: Kafka,
  groupId: string,
  options: {
    readonly isWanted: (topic: string) => boolean;
    readonly deadline: number;
    readonly signal: AbortSignal;
  },
): Promise<bigint> {
  const { isWanted, deadline, signal } = options;
  const admin = kafka.admin();
  try {
    await admin.connect();
    const topics = (await admin.listTopics()).filter(isWanted);
    if (topics.length === 0) return 0n;
    const ends = await Promise.all(
      topics.map(async (topic) =>
        (await admin.fetchTopicOffsets(topic))
          .filter(({ high, low }) => high !== low)
          .map(({ partition, high, low }) => ({
            place: `${topic}/${partition}`,
            end: BigInt(high),
            low: BigInt(low),
          })),
      ),
    );
    for (;;) {
      const committed = new Map<string, bigint>(
        (await admin.fetchOffsets({ groupId, topics })).flatMap(({ topic, partitions }) =>
          partitions.map(
            ({ partition, offset }) => [`${topic}/${partition}`, BigInt(offset)] as const,
          ),
        ),
      );
      const behind = ends.flat().reduce((sum, { place, end, low }) => {
        const offset = committed.get(place) ?? -1n;
        const records = end - (offset < 0n ? low : offset);
        return records > 0n ? sum + records : sum;
      }, 0n);
      if (behind === 0n || Date.now() > deadline) return behind;
      await delay(PAUSE_MS, undefined, { signal });
    }
  } catch (error) {
    signal.throwIfAborted();
    throw brokerError(error, 'waiting for the consumer group');
  } finally {
    await admin.disconnect().catch(() => undefined);
  }
}
