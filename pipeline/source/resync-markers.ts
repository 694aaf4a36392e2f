import type { Kafka } from 'kafkajs';
import { parseOffset, type Offset } from '../change/offset.ts';
import { RESYNC_HEADER } from '../change/resync-marker.ts';
import type { Epoch } from '../change/version.ts';
import { brokerError } from './kafka-client.ts';
import { TABLE_TOPIC_SETTINGS } from './table-topic.ts';

/**
 * End of each partition of a table's topic: the offset that its next record will get. A table of
 * which nothing has been sent has no topic: it is made, as the connector would make it.
 *
 * @throws TributaryError `BROKER_UNAVAILABLE`
 */
export async function endOffsets(
  kafka: Kafka,
  topic: string,
): Promise<ReadonlyMap<number, Offset>> {
  const admin = kafka.admin();
  try {
    await admin.connect();
    const configEntries = Object.entries(TABLE_TOPIC_SETTINGS).map(([name, value]) => ({
      name,
      value,
    }));
    await admin.createTopics({
      topics: [{ topic, numPartitions: -1, replicationFactor: -1, configEntries }],
      waitForLeaders: true,
    });
    const ends = await admin.fetchTopicOffsets(topic);
    return new Map(ends.map(({ partition, high }) => [partition, parseOffset(high)]));
  } catch (error) {
    throw brokerError(error, `reading the ends of topic ${topic}`);
  } finally {
    await admin.disconnect().catch(() => undefined);
  }
}

/**
 * Puts the marker of an epoch into each partition of a topic.
 *
 * @returns the markers' offsets
 * @throws TributaryError `BROKER_UNAVAILABLE`
 */
export async function sendMarkers(
  kafka: Kafka,
  topic: string,
  epoch: Epoch,
): Promise<ReadonlyMap<number, Offset>> {
  const partitions = [...(await endOffsets(kafka, topic)).keys()];
  const producer = kafka.producer({ idempotent: true, allowAutoTopicCreation: false });
  try {
    await producer.connect();
    const sent = await producer.send({
      topic,
      acks: -1,
      messages: partitions.map((partition) => ({
        partition,
        key: null,
        value: null,
        headers: { [RESYNC_HEADER]: String(epoch) },
      })),
    });
    return new Map(
      sent.map(({ partition, baseOffset }) => [partition, parseOffset(baseOffset ?? '')]),
    );
  } catch (error) {
    throw brokerError(error, `sending the markers of a resync to topic ${topic}`);
  } finally {
    await producer.disconnect().catch(() => undefined);
  }
}
