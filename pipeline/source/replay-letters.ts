import type { Kafka, KafkaMessage, Producer } from 'kafkajs';
import { TributaryError } from '#runtime/errors.ts';
import { parseOffset, type Offset } from '../change/offset.ts';
import { REPLAY_HEADER } from '../change/replay.ts';
import { DEAD_LETTER_TOPIC, headersOfRecord, keyOfRecord } from './kafka-dead-letters.ts';
import { brokerError } from './kafka-client.ts';
import { readRanges, type OffsetRange } from './read-range.ts';

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
      await checkRange(kafka, held);
      await readRanges(kafka, [held], async (message) => {
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

/** Letters by the partition that holds them. */
function byPartition<Letter extends LetterToReplay>(
  letters: readonly Letter[],
): (OffsetRange & { readonly letters: readonly Letter[] })[] {
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
  const isLetter = letter.heldAt.topic === DEAD_LETTER_TOPIC;
  const [sent] = await producer.send({
    topic: letter.topic,
    acks: -1,
    messages: [
      {
        partition: letter.partition,
        key: isLetter ? keyOfRecord(headers) : key,
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

/**
 * Makes sure that a topic still has a range.
 *
 * @throws TributaryError `DEAD_LETTER_UNKNOWN`
 */
async function checkRange(
  kafka: Kafka,
  { topic, partition, first, last }: OffsetRange,
): Promise<void> {
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
