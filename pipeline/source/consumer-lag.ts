import type { Kafka } from 'kafkajs';
import { brokerError } from './kafka-client.ts';

/** Records of one topic that a consumer group has not committed yet. */
export interface TopicLag {
  readonly topic: string;
  readonly records: bigint;
}

/**
 * Consumer lag of a group by topic: end of the log minus committed offset, over all partitions. A
 * partition the group never committed counts from its beginning.
 *
 * @throws TributaryError `BROKER_UNAVAILABLE`
 */
export async function consumerLag(
  kafka: Kafka,
  groupId: string,
  isWanted: (topic: string) => boolean,
): Promise<readonly TopicLag[]> {
  const admin = kafka.admin();
  try {
    await admin.connect();
    const topics = (await admin.listTopics()).filter(isWanted).sort();
    if (topics.length === 0) return [];
    const committed = new Map(
      (await admin.fetchOffsets({ groupId, topics })).map(({ topic, partitions }) => [
        topic,
        new Map(partitions.map(({ partition, offset }) => [partition, BigInt(offset)])),
      ]),
    );
    return await Promise.all(
      topics.map(async (topic) => {
        const ends = await admin.fetchTopicOffsets(topic);
        const records = ends.reduce((sum, { partition, high, low }) => {
          const offset = committed.get(topic)?.get(partition) ?? -1n;
          return sum + BigInt(high) - (offset < 0n ? BigInt(low) : offset);
        }, 0n);
        return { topic, records };
      }),
    );
  } catch (error) {
    throw brokerError(error, 'reading consumer lag');
  } finally {
    await admin.disconnect().catch(() => undefined);
  }
}
