import { setTimeout as delay } from 'node:timers/promises';
import kafkajs, { type Admin, type Kafka } from 'kafkajs';
import { TributaryError } from '#runtime/errors.ts';
import { offset, parseOffset, type Offset } from '../change/offset.ts';
import { brokerError } from './kafka-client.ts';
import { readRanges, type OffsetRange } from './read-range.ts';

/** What became of records that had to go. */
export interface ErasedRecords {
  readonly topic: string;
  /** Records that were there; the others went before. */
  readonly records: bigint;
  /** Of those, records that are still there. */
  readonly left: bigint;
}

/** How long something may take. */
export interface Patience {
  /** When to give up, in milliseconds since 1970. */
  readonly deadline: number;
  readonly signal: AbortSignal;
}

/** Makes the broker compact what there is now, instead of when it is worth it. */
const AT_ONCE: Readonly<Record<string, string>> = {
  'segment.ms': '1000',
  'min.cleanable.dirty.ratio': '0.001',
};
const PAUSE_MS = 2_000;
/** Where a setting comes from, in Kafka's protocol: the topic itself. */
const OF_TOPIC = 1;

/** Which records have to go. */
export interface Doomed {
  /** A key that nobody but these records has; as a tombstone it marks how far the topic was read. */
  readonly marker: Buffer;
  /** Whether a record with this key has to go. */
  readonly isDoomed: (key: Buffer) => boolean;
  /** Where they all are; without it they may be in any partition. */
  readonly partition?: number;
}

/**
 * Takes records out of a topic: a tombstone each, and a compaction that is waited for. The topic
 * stays compacted. Such records that come later stay.
 *
 * @throws TributaryError `BROKER_UNAVAILABLE`; the abort reason
 */
export async function eraseByKey(
  kafka: Kafka,
  topic: string,
  { marker, isDoomed, partition: only }: Doomed,
  { deadline, signal }: Patience,
): Promise<ErasedRecords> {
  const admin = kafka.admin();
  const producer = kafka.producer({ idempotent: true, allowAutoTopicCreation: false });
  const bury = async (tombstones: readonly { partition: number; key: Buffer }[]) =>
    producer.send({
      topic,
      acks: -1,
      messages: tombstones.map((each) => ({ ...each, value: null })),
    });
  try {
    await admin.connect();
    if (!(await admin.listTopics()).includes(topic)) return { topic, records: 0n, left: 0n };
    await producer.connect();
    const begins = new Map(
      (await admin.fetchTopicOffsets(topic))
        .filter(({ partition }) => only === undefined || partition === only)
        .map(({ partition, low }) => [partition, parseOffset(low)]),
    );
    // The end of what is read has to be a record, which a transaction's end is not.
    const ends = await bury([...begins.keys()].map((partition) => ({ partition, key: marker })));
    const there = await findHeld(
      kafka,
      ends.map(({ partition, baseOffset }) => ({
        topic,
        partition,
        first: begins.get(partition) ?? offset(0n),
        last: parseOffset(baseOffset ?? ''),
      })),
      isDoomed,
    );
    if (there.length === 0) return { topic, records: 0n, left: 0n };
    let left = there;
    const settings = await settingsOf(admin, topic);
    await setSettings(admin, topic, { ...settings, ...AT_ONCE });
    try {
      while (left.length > 0 && Date.now() < deadline) {
        await bury(left);
        await delay(PAUSE_MS, undefined, { signal });
        left = await findHeld(kafka, rangesOf(topic, left), isDoomed);
      }
    } finally {
      await setSettings(admin, topic, settings);
    }
    return { topic, records: BigInt(there.length), left: BigInt(left.length) };
  } catch (error) {
    signal.throwIfAborted();
    throw brokerError(error, `erasing records of topic ${topic}`);
  } finally {
    await producer.disconnect().catch(() => undefined);
    await admin.disconnect().catch(() => undefined);
  }
}

/** A record that is there, and has to go. */
interface Held {
  readonly partition: number;
  readonly offset: Offset;
  readonly key: Buffer;
}

async function findHeld(
  kafka: Kafka,
  ranges: readonly OffsetRange[],
  isDoomed: (key: Buffer) => boolean,
): Promise<Held[]> {
  const held: Held[] = [];
  await readRanges(kafka, ranges, async ({ key, value, offset }, { partition, last }) => {
    if (key === null || value === null || !isDoomed(key) || BigInt(offset) > last) return;
    held.push({ partition, offset: parseOffset(offset), key });
  });
  return held;
}

/** Where records are that are known to be there. */
function rangesOf(topic: string, held: readonly Held[]): OffsetRange[] {
  return [...new Set(held.map(({ partition }) => partition))].flatMap((partition) => {
    const offsets = held.filter((each) => each.partition === partition);
    const [first, last] = [offsets[0]?.offset, offsets.at(-1)?.offset];
    return first === undefined || last === undefined ? [] : [{ topic, partition, first, last }];
  });
}

/**
 * Drops all records of topics that a consumer group has done with. Other groups that read them are
 * waited for.
 *
 * @throws TributaryError `DEADLINE_EXCEEDED` when another group does not get there, in which case
 * nothing is dropped; `BROKER_UNAVAILABLE`; the abort reason
 */
export async function dropConsumed(
  kafka: Kafka,
  groupId: string,
  wanted: readonly string[],
  { deadline, signal }: Patience,
): Promise<ErasedRecords[]> {
  const admin = kafka.admin();
  try {
    await admin.connect();
    const known = new Set(await admin.listTopics());
    const topics = wanted.filter((topic) => known.has(topic));
    if (topics.length === 0) return [];
    const target = await committedBy(admin, groupId, topics);
    await waitForOthers(admin, groupId, topics, target, { deadline, signal });
    const dropped: ErasedRecords[] = [];
    for (const topic of topics) {
      let records = 0n;
      const partitions: { partition: number; offset: string }[] = [];
      for (const { partition, low } of await admin.fetchTopicOffsets(topic)) {
        const end = target.get(`${topic}/${partition}`) ?? 0n;
        if (end <= BigInt(low)) continue;
        records += end - BigInt(low);
        partitions.push({ partition, offset: String(end) });
      }
      if (partitions.length > 0) await admin.deleteTopicRecords({ topic, partitions });
      dropped.push({ topic, records, left: 0n });
    }
    return dropped;
  } catch (error) {
    signal.throwIfAborted();
    throw brokerError(error, 'dropping records that were consumed');
  } finally {
    await admin.disconnect().catch(() => undefined);
  }
}

async function waitForOthers(
  admin: Admin,
  own: string,
  topics: readonly string[],
  target: ReadonlyMap<string, bigint>,
  { deadline, signal }: Patience,
): Promise<void> {
  const groups = (await admin.listGroups()).groups
    .map(({ groupId }) => groupId)
    .filter((groupId) => groupId !== own);
  for (const groupId of groups) {
    for (;;) {
      const committed = await committedBy(admin, groupId, topics);
      const behind = [...committed].find(([place, offset]) => offset < (target.get(place) ?? 0n));
      if (behind === undefined) break;
      if (Date.now() > deadline) {
        throw new TributaryError(
          'DEADLINE_EXCEEDED',
          `the consumer group ${groupId} has not read ${behind[0]} up to offset ${target.get(behind[0])}`,
          { fix: 'Let the group go on, or delete it when nobody needs it, and erase again.' },
        );
      }
      await delay(PAUSE_MS, undefined, { signal });
    }
  }
}

/** Next offset of a group by topic/partition, of the partitions that it has committed. */
async function committedBy(
  admin: Admin,
  groupId: string,
  topics: readonly string[],
): Promise<Map<string, bigint>> {
  const all = await admin.fetchOffsets({ groupId, topics: [...topics] });
  return new Map(
    all.flatMap(({ topic, partitions }) =>
      partitions
        .map(({ partition, offset }) => [`${topic}/${partition}`, BigInt(offset)] as const)
        .filter(([, offset]) => offset >= 0n),
    ),
  );
}

/** The settings that a topic has of its own, as they are to be when it is compacted for good. */
async function settingsOf(admin: Admin, topic: string): Promise<Record<string, string>> {
  const { resources } = await admin.describeConfigs({
    includeSynonyms: false,
    resources: [{ type: kafkajs.ConfigResourceTypes.TOPIC, name: topic }],
  });
  const own = (resources[0]?.configEntries ?? []).filter(
    // What was left behind by an erasure that was killed is not the topic's own.
    ({ configName, configValue, configSource }) =>
      (configSource as number) === OF_TOPIC && AT_ONCE[configName] !== configValue,
  );
  return {
    ...Object.fromEntries(own.map(({ configName, configValue }) => [configName, configValue])),
    'cleanup.policy': 'compact',
  };
}

/** Kafka takes all settings of a topic at once: one that is left out is gone. */
async function setSettings(
  admin: Admin,
  topic: string,
  settings: Readonly<Record<string, string>>,
): Promise<void> {
  await admin.alterConfigs({
    validateOnly: false,
    resources: [
      {
        type: kafkajs.ConfigResourceTypes.TOPIC,
        name: topic,
        configEntries: Object.entries(settings).map(([name, value]) => ({ name, value })),
      },
    ],
  });
}
