import { randomUUID } from 'node:crypto';
import type { Consumer, Kafka, KafkaMessage, Producer } from 'kafkajs';
import { TributaryError } from '#runtime/errors.ts';
import { parseOffset, type Offset } from '../change/offset.ts';
import { REPLAY_HEADER } from '../change/replay.ts';
import { DEAD_LETTER_TOPIC, headersOfRecord, LETTER_PARTITION } from './kafka-dead-letters.ts';
import { brokerError } from './kafka-client.ts';

/** A letter to send back to where its record came from. */
export interface LetterToReplay {
  /** Topic and partition of the record. */
  readonly topic: string;
  readonly partition: number;
  /** Offset that the record had at first, before any replay. */
  readonly firstOffset: Offset;
  /** Where the dead-letter topic holds it. */
  readonly letterOffset: Offset;
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
 * @throws TributaryError `DEAD_LETTER_UNKNOWN` when a letter is no longer in the topic, before
 * anything is sent; `BROKER_UNAVAILABLE`
 */
export async function replayLetters<Letter extends LetterToReplay>(
  kafka: Kafka,
  letters: readonly Letter[],
  onReplayed: (letter: Letter, offset: Offset) => Promise<void>,
): Promise<void> {
  if (letters.length === 0) return;
  const wanted = new Map<string, Letter[]>();
  for (const letter of letters) {
    const offset = letter.letterOffset.toString();
    wanted.set(offset, [...(wanted.get(offset) ?? []), letter]);
  }
  const offsets = letters.map(({ letterOffset }) => letterOffset).sort((a, b) => (a < b ? -1 : 1));
  const [first] = offsets;
  const last = offsets.at(-1);
  if (first === undefined || last === undefined) return;
  const producer = kafka.producer({ idempotent: true, allowAutoTopicCreation: false });
  const groupId = `tributary-replay-${randomUUID()}`;
  const consumer = kafka.consumer({
    groupId,
    maxBytesPerPartition: FETCH_BYTES,
    maxBytes: FETCH_BYTES,
    maxWaitTimeInMs: 100,
  });
  try {
    await checkRange(kafka, first, last);
    await producer.connect();
    await consumer.connect();
    await consumer.subscribe({ topic: DEAD_LETTER_TOPIC });
    await readUntil(consumer, { first, last }, async (message) => {
      for (const letter of wanted.get(message.offset) ?? []) {
        await onReplayed(letter, await send(producer, letter, message));
      }
    });
  } catch (error) {
    throw brokerError(error, 'replaying dead letters');
  } finally {
    await Promise.allSettled([consumer.disconnect(), producer.disconnect()]);
    await removeGroup(kafka, groupId);
  }
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

/** Reads the letters from `first` to `last`, one after the other. */
async function readUntil(
  consumer: Consumer,
  { first, last }: { first: Offset; last: Offset },
  onMessage: (message: KafkaMessage) => Promise<void>,
): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const giveUp = () =>
      reject(new TributaryError('BROKER_UNAVAILABLE', 'the dead-letter topic gives no letters'));
    let patience = setTimeout(giveUp, PATIENCE_MS);
    const settle = (act: () => void) => {
      clearTimeout(patience);
      act();
    };
    let done = false;
    consumer
      .run({
        autoCommit: false,
        eachMessage: async ({ message }) => {
          if (done) return;
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
    consumer.seek({
      topic: DEAD_LETTER_TOPIC,
      partition: LETTER_PARTITION,
      offset: first.toString(),
    });
  });
}

async function checkRange(kafka: Kafka, first: Offset, last: Offset): Promise<void> {
  const admin = kafka.admin();
  try {
    await admin.connect();
    const ends = await admin.fetchTopicOffsets(DEAD_LETTER_TOPIC);
    const held = ends.find(({ partition }) => partition === LETTER_PARTITION);
    if (held === undefined || first < BigInt(held.low) || last >= BigInt(held.high)) {
      throw new TributaryError(
        'DEAD_LETTER_UNKNOWN',
        `the topic ${DEAD_LETTER_TOPIC} does not hold offsets ${first} to ${last}`,
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
