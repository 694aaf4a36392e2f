import { randomUUID } from 'node:crypto';
import type { Consumer, Kafka, KafkaMessage, Producer } from 'kafkajs';
import { TributaryError } from '#runtime/errors.ts';
import { parseOffset, type Offset } from '../change/offset.ts';
import { REPLAY_HEADER } from '../change/replay.ts';
import { headersOfRecord } from './kafka-dead-letters.ts';
import { brokerError } from './kafka-client.ts';

/** Where a record stands in Kafka. */
interface Place {
  readonly topic: string;
  readonly partition: number;
  readonly offset: Offset;
}

/** A letter to send back to where its record came from. */
export interface LetterToReplay {
  /** Topic and partition of the record. */
  readonly topic: string;
  readonly partition: number;
  /** Offset that the record had at first, before any replay. */
  readonly firstOffset: Offset;
  /** Where it is read: in the dead-letter topic, or, of a letter without bytes, where it was. */
  readonly heldAt: Place;
}

/** After so long without a letter, in milliseconds, the broker is given up. */
const PATIENCE_MS = 30_000;
/** Bytes in one answer of the broker: one letter of the largest size. */
const FETCH_BYTES = 18 * 1024 * 1024;

/**
 * Sends the records of letters to their topics again, in the order in which they were set aside,
 * which within a partition is that of the changes. Key, value and headers are the original bytes;
 * a header tells the first offset (`pipeline/change/replay.ts`).
 *
 * @param onReplayed - called, and waited for, after each; `offset` is the record's new one
 * @throws TributaryError `DEAD_LETTER_UNKNOWN` when a letter is no longer in its topic, before
 * anything of that topic is sent; `BROKER_UNAVAILABLE`
 */
export async function replayLetters<Letter extends LetterToReplay>(
  kafka: Kafka,
  letters: readonly Letter[],
  onReplayed: (letter: Letter, offset: Offset) => Promise<void>,
): Promise<void> {
  const producer = kafka.producer({ idempotent: true, allowAutoTopicCreation: false });
  try {
    await producer.connect();
    for (const held of byPartition(letters)) {
      const letterAt = new Map(held.letters.map((letter) => [letter.heldAt.offset, letter]));
      await readRange(kafka, held, async (message) => {
        const letter = letterAt.get(parseOffset(message.offset));
        if (letter !== undefined) await onReplayed(letter, await send(producer, letter, message));
      });
    }
  } catch (error) {
    throw brokerError(error, 'replaying dead letters');
  } finally {
    await producer.disconnect();
  }
}

/** Part of a partition, both ends included. */
interface Range {
  readonly topic: string;
  readonly partition: number;
  readonly first: Offset;
  readonly last: Offset;
}

/** Letters by the partition that holds them. */
function byPartition<Letter extends LetterToReplay>(
  letters: readonly Letter[],
): (Range & { readonly letters: readonly Letter[] })[] {
  const groups = new Map<string, Letter[]>();
  for (const letter of letters) {
    const name = `${letter.heldAt.topic}/${letter.heldAt.partition}`;
    groups.set(name, [...(groups.get(name) ?? []), letter]);
  }
  return [...groups.values()].flatMap((group) => {
    const places = group.map(({ heldAt }) => heldAt).sort((a, b) => (a.offset < b.offset ? -1 : 1));
    const [first] = places;
    const last = places.at(-1);
    return first === undefined || last === undefined
      ? []
      : [{ ...first, first: first.offset, last: last.offset, letters: group }];
  });
}

async function send(
  producer: Producer,
  letter: LetterToReplay,
  { key, value, headers }: KafkaMessage,
): Promise<Offset> {
  const [sent] = await producer.send({
    topic: letter.topic,
    acks: -1,
    messages: [
      {
        partition: letter.partition,
        key,
        value,
        headers: {
          ...headersOfRecord(headers),
          [REPLAY_HEADER]: letter.firstOffset.toString(),
        },
      },
    ],
  });
  return parseOffset(sent?.baseOffset ?? '');
}

/** Reads a range, one record after the other. */
async function readRange(
  kafka: Kafka,
  range: Range,
  onMessage: (message: KafkaMessage) => Promise<void>,
): Promise<void> {
  await checkRange(kafka, range);
  const groupId = `tributary-replay-${randomUUID()}`;
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
  { topic, partition: wanted, first, last }: Range,
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

async function checkRange(kafka: Kafka, { topic, partition, first, last }: Range): Promise<void> {
  const admin = kafka.admin();
  try {
    await admin.connect();
    const ends = await admin.fetchTopicOffsets(topic);
    const held = ends.find((end) => end.partition === partition);
    if (held === undefined || first < BigInt(held.low) || last >= BigInt(held.high)) {
      throw new TributaryError(
        'DEAD_LETTER_UNKNOWN',
        `the topic ${topic} does not hold offsets ${first} to ${last} of partition ${partition}`,
      );
    }
  } finally {
    await admin.disconnect();
  }
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
