import { setTimeout as delay } from 'node:timers/promises';
import type { Admin, Consumer, EachBatchPayload, Kafka } from 'kafkajs';
import { describeError, isAbort } from '#runtime/errors.ts';
import { failpoint } from '#runtime/failpoint.ts';
import type { Logger } from '#runtime/log.ts';
import { retry, UNTIL_STOPPED } from '#runtime/retry.ts';
import { parseOffset, type Offset } from '../change/offset.ts';
import { brokerError } from './kafka-client.ts';
import type { RecordHandler, RecordSource } from './record-source.ts';

/** How a Kafka source consumes. */
export interface KafkaSourceOptions {
  readonly kafka: Kafka;
  readonly groupId: string;
  /** Whether a topic is to be read. */
  readonly isWanted: (topic: string) => boolean;
  readonly log: Logger;
  /** How often to look for topics that have appeared since, in milliseconds. */
  readonly topicRefreshMs: number;
  /** How often acknowledged offsets are committed, in milliseconds. */
  readonly commitIntervalMs: number;
  /** How long the broker waits for a record, in milliseconds; when there is one it answers at once. */
  readonly maxWaitMs: number;
  /** Most bytes of one partition in one answer of the broker. */
  readonly maxBytesPerPartition: number;
}

/** Batches of how many partitions are handed over side by side; they only ever queue rows. */
const PARTITIONS_AT_ONCE = 16;
/**
 * Least time between the starts of two fetches, in milliseconds per partition. Each names all partitions,
 * which costs this process and the broker some microseconds apiece, and where there are many there is
 * always something to fetch: without a rest a thousand quiet tables keep a core busy. Too short to
 * matter with few.
 */
const REST_PER_PARTITION_MS = 0.05;
/** Rests that are shorter are not taken: a timer is not that exact. */
const LEAST_REST_MS = 5;
/** After this long a killed process is missed and its partitions go to another. */
const SESSION_TIMEOUT_MS = 10_000;
const HEARTBEAT_INTERVAL_MS = 2_000;
/** After this long, partitions that were added to a topic are noticed. */
const METADATA_MAX_AGE_MS = 20_000;

/**
 * Reads topics in a consumer group, also ones that appear later.
 *
 * Offsets are committed only after {@link RecordSource.acknowledge}, in the background: a commit
 * that is lost costs a redelivery, which the pipeline recognizes.
 */
export function createKafkaSource(options: KafkaSourceOptions): RecordSource {
  const { kafka, log } = options;
  const admin: Admin = kafka.admin();
  const consumer: Consumer = kafka.consumer({
    groupId: options.groupId,
    maxWaitTimeInMs: options.maxWaitMs,
    minBytes: 1,
    maxBytesPerPartition: options.maxBytesPerPartition,
    maxBytes: 4 * options.maxBytesPerPartition,
    sessionTimeout: SESSION_TIMEOUT_MS,
    heartbeatInterval: HEARTBEAT_INTERVAL_MS,
    metadataMaxAge: METADATA_MAX_AGE_MS,
    retry: {
      initialRetryTime: 100,
      maxRetryTime: 2_000,
      retries: 5,
      restartOnFailure: async () => true,
    },
  });
  /** Next offset to read per topic and partition, acknowledged but not yet committed. */
  const pending = new Map<string, Map<number, Offset>>();
  /**
   * Next offset per topic and partition as acknowledged last. A commit that comes while the group is
   * rejoined is dropped without a word: these are committed again afterwards.
   */
  const acknowledged = new Map<string, Map<number, Offset>>();
  /**
   * Per partition the last record handed over and the end of the batch it came in. A transaction
   * ends with a marker that takes an offset but is no record; without this an idle partition would
   * seem one record behind for ever.
   */
  const batchEnds = new Map<string, { record: Offset; end: Offset }>();
  const paused = new Set<string>();
  /** Partitions that are paused on their own, by topic. */
  const pausedPartitions = new Map<string, Set<number>>();
  let subscribed: ReadonlySet<string> = new Set();
  let closing = false;
  /** Whether the client library gave up: it comes back by itself after some failures only. */
  let isBroken = false;
  let restMs = 0;
  let fetchedAt = 0;
  let committing: Promise<void> = Promise.resolve();

  async function commit(): Promise<void> {
    const offsets = [...pending].flatMap(([topic, partitions]) =>
      [...partitions].map(([partition, next]) => ({ topic, partition, next })),
    );
    if (offsets.length === 0) return;
    failpoint('before-commit');
    await consumer.commitOffsets(
      offsets.map(({ topic, partition, next }) => ({ topic, partition, offset: next.toString() })),
    );
    failpoint('after-commit');
    for (const { topic, partition, next } of offsets) {
      const partitions = pending.get(topic);
      if (partitions?.get(partition) === next) partitions.delete(partition);
      if (partitions?.size === 0) pending.delete(topic);
    }
  }

  /** Commits; what fails, in a rebalance for instance, is tried again with the next commit. */
  function commitQuietly(): Promise<void> {
    committing = committing.then(commit).catch((error: unknown) => {
      log.debug({ reason: describeError(error) }, 'offsets not committed yet');
    });
    return committing;
  }

  async function wantedTopics(signal: AbortSignal): Promise<ReadonlySet<string>> {
    return retry(
      async () => {
        try {
          return new Set((await admin.listTopics()).filter(options.isWanted));
        } catch (error) {
          throw brokerError(error, 'listing topics');
        }
      },
      { policy: UNTIL_STOPPED, signal, log, what: 'listing topics' },
    );
  }

  async function connect(signal: AbortSignal): Promise<void> {
    await retry(
      async () => {
        try {
          await admin.connect();
        } catch (error) {
          throw brokerError(error, 'connecting to Kafka');
        }
      },
      { policy: UNTIL_STOPPED, signal, log, what: 'connecting to Kafka' },
    );
  }

  async function consume(
    topics: ReadonlySet<string>,
    handler: RecordHandler,
    signal: AbortSignal,
  ): Promise<void> {
    await retry(
      async () => {
        try {
          await consumer.stop();
          await consumer.connect();
          await consumer.subscribe({ topics: [...topics], fromBeginning: true });
          await consumer.run({
            autoCommit: false,
            eachBatchAutoResolve: true,
            partitionsConsumedConcurrently: PARTITIONS_AT_ONCE,
            eachBatch: (payload) => handOver(payload, handler),
          });
          for (const topic of paused) consumer.pause([{ topic }]);
          for (const topic of pausedPartitions.keys()) pausePartitions(topic);
        } catch (error) {
          throw brokerError(error, 'subscribing to topics');
        }
      },
      { policy: UNTIL_STOPPED, signal, log, what: 'subscribing to topics' },
    );
    subscribed = topics;
    log.info({ topics: topics.size }, 'subscribed to topics');
  }

  function pausePartitions(topic: string): void {
    const partitions = pausedPartitions.get(topic);
    // One that is paused as a whole would flow again but for these.
    if (partitions !== undefined && subscribed.has(topic) && !paused.has(topic)) {
      whileRunning(() => consumer.pause([{ topic, partitions: [...partitions] }]));
    }
  }

  /** Between two subscriptions there is nothing to pause: what is to be is told to the next one. */
  function whileRunning(act: () => void): void {
    try {
      act();
    } catch (error) {
      log.debug({ reason: describeError(error) }, 'the consumer is between two subscriptions');
    }
  }

  function onJoined(assignment: Readonly<Record<string, readonly number[]>>): void {
    restMs = Object.values(assignment).flat().length * REST_PER_PARTITION_MS;
    for (const [topic, partitions] of acknowledged) {
      for (const [partition, next] of partitions) {
        if (assignment[topic]?.includes(partition) === true) note(pending, topic, partition, next);
        else partitions.delete(partition);
      }
    }
  }

  async function handOver(payload: EachBatchPayload, handler: RecordHandler): Promise<void> {
    const { batch } = payload;
    const { topic, partition } = batch;
    const last = batch.messages.at(-1);
    if (closing || last === undefined) return;
    batchEnds.set(`${topic}:${partition}`, {
      record: parseOffset(last.offset),
      end: parseOffset(batch.lastOffset()),
    });
    // Keeps the membership alive should handing over take long, e.g. while the registry is away.
    const beat = setInterval(() => {
      payload.heartbeat().catch(() => undefined);
    }, HEARTBEAT_INTERVAL_MS);
    try {
      await handler.onRecords({
        topic,
        partition,
        highWatermark: parseOffset(batch.highWatermark),
        records: batch.messages.map((message) => ({
          topic,
          partition,
          offset: parseOffset(message.offset),
          key: message.key,
          value: message.value,
          headers: message.headers,
        })),
      });
      // The next fetch begins when all of this one is handed over.
      const rest = fetchedAt + restMs - performance.now();
      if (rest >= LEAST_REST_MS) await delay(rest);
    } finally {
      clearInterval(beat);
    }
    await payload.heartbeat();
  }

  return {
    async run(handler, signal) {
      await connect(signal);
      consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
        onJoined(payload.memberAssignment);
        handler.onAssigned();
      });
      consumer.on(consumer.events.FETCH_START, () => (fetchedAt = performance.now()));
      consumer.on(consumer.events.CRASH, ({ payload }) => {
        if (payload.restart || signal.aborted) return;
        isBroken = true;
        const reason = describeError(payload.error);
        log.error({ reason }, 'the consumer broke down, and begins anew');
      });
      const timer = setInterval(() => void commitQuietly(), options.commitIntervalMs);
      try {
        while (!signal.aborted) {
          const topics = await wantedTopics(signal);
          const isNew = [...topics].some((topic) => !subscribed.has(topic));
          if (isNew || isBroken) {
            isBroken = false;
            await consume(new Set([...subscribed, ...topics]), handler, signal);
          }
          await delay(options.topicRefreshMs, undefined, { signal });
        }
      } catch (error) {
        if (!isAbort(error)) throw error;
      } finally {
        clearInterval(timer);
      }
    },

    acknowledge(topic, offsets) {
      for (const [partition, last] of offsets) {
        const batchEnd = batchEnds.get(`${topic}:${partition}`);
        const end = batchEnd?.record === last ? batchEnd.end : last;
        note(pending, topic, partition, (end + 1n) as Offset);
        note(acknowledged, topic, partition, (end + 1n) as Offset);
      }
    },

    pause(topic, partition) {
      if (partition !== undefined) {
        pausedPartitions.set(topic, (pausedPartitions.get(topic) ?? new Set()).add(partition));
        pausePartitions(topic);
        return;
      }
      if (paused.has(topic)) return;
      paused.add(topic);
      if (subscribed.has(topic)) whileRunning(() => consumer.pause([{ topic }]));
    },

    resume(topic, partition) {
      const partitions = pausedPartitions.get(topic);
      if (partition !== undefined) {
        if (partitions?.delete(partition) !== true) return;
        if (partitions.size === 0) pausedPartitions.delete(topic);
        if (subscribed.has(topic) && !paused.has(topic)) {
          whileRunning(() => consumer.resume([{ topic, partitions: [partition] }]));
        }
        return;
      }
      if (!paused.delete(topic)) return;
      if (subscribed.has(topic)) whileRunning(() => consumer.resume([{ topic }]));
      // Resuming a topic resumes all of its partitions.
      pausePartitions(topic);
    },

    async partitionCount(topic) {
      try {
        const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
        return topics[0]?.partitions.length ?? 0;
      } catch (error) {
        throw brokerError(error, 'reading how many partitions a topic has');
      }
    },

    async close() {
      closing = true;
      await commitQuietly();
      await consumer.disconnect();
      await admin.disconnect();
    },
  };
}

function note(
  offsets: Map<string, Map<number, Offset>>,
  topic: string,
  partition: number,
  next: Offset,
): void {
  let partitions = offsets.get(topic);
  if (partitions === undefined) offsets.set(topic, (partitions = new Map<number, Offset>()));
  partitions.set(partition, next);
}
