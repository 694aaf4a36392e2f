import { TributaryError } from '#runtime/errors.ts';
import { parseOffset } from '../change/offset.ts';
import {
  listDeadLetters,
  resolveDeadLetters,
  type LetterPlace,
  type ListedLetter,
} from '../sink/clickhouse-dead-letters.ts';
import type { Warehouse } from '../sink/clickhouse-client.ts';
import { WITHHELD_HEADER } from '../sink/withhold-masked.ts';
import type { Kafka } from '../source/kafka-client.ts';
import { DEAD_LETTER_TOPIC, LETTER_PARTITION } from '../source/kafka-dead-letters.ts';
import { replayLetters } from '../source/replay-letters.ts';

const PLACE = /^([^/]+)\/(\d{1,9})\/(\d{1,18})$/;

/** Name of a letter: the place of its record, `topic/partition/offset`. */
export function placeText({ topic, partition, offset }: LetterPlace): string {
  return `${topic}/${partition}/${offset}`;
}

/** @throws TributaryError `CONFIG_INVALID` */
export function parsePlace(text: string): LetterPlace {
  const [, topic, partition, offset] = PLACE.exec(text) ?? [];
  if (topic === undefined || partition === undefined || offset === undefined) {
    throw new TributaryError('CONFIG_INVALID', `"${text}" is not topic/partition/offset`, {
      fix: 'Take the place from `tributary dead-letters list`.',
    });
  }
  return { topic, partition: Number(partition), offset: parseOffset(offset) };
}

/** Whether the letter has no bytes, because its table has masked columns. */
export function isWithheld({ headers }: ListedLetter): boolean {
  return WITHHELD_HEADER in headers;
}

/** The letter of a place. @throws TributaryError `DEAD_LETTER_UNKNOWN` */
export async function findLetter(warehouse: Warehouse, place: LetterPlace): Promise<ListedLetter> {
  const [letter] = await listDeadLetters(warehouse, { place }, 1);
  if (letter !== undefined) return letter;
  throw new TributaryError('DEAD_LETTER_UNKNOWN', `there is no dead letter ${placeText(place)}`);
}

/**
 * The letters of these places, all of them open: whoever names one that somebody has dealt with is
 * told so.
 *
 * @throws TributaryError `DEAD_LETTER_UNKNOWN`
 */
export async function openLetters(
  warehouse: Warehouse,
  places: readonly LetterPlace[],
): Promise<ListedLetter[]> {
  const letters: ListedLetter[] = [];
  for (const place of places) letters.push(await findLetter(warehouse, place));
  const resolved = letters.find(({ state }) => state !== 'open');
  if (resolved === undefined) return letters;
  throw new TributaryError(
    'DEAD_LETTER_UNKNOWN',
    `the letter ${placeText(resolved)} is not open but ${resolved.state}`,
  );
}

/**
 * Sends letters to their topics again, and takes note of it.
 *
 * @returns those that were sent; one whose value never fit a record has none to send
 * @throws TributaryError, see `replayLetters`
 */
export async function replayOpenLetters(
  { warehouse, kafka }: { readonly warehouse: Warehouse; readonly kafka: Kafka },
  letters: readonly ListedLetter[],
): Promise<readonly ListedLetter[]> {
  const whole = letters.filter(({ code }) => code !== 'RECORD_TOO_LARGE');
  if (whole.length === 0) return whole;
  await replayLetters(
    kafka,
    whole.map((letter) => ({
      ...letter,
      firstOffset: letter.replayOf ?? letter.offset,
      heldAt: isWithheld(letter)
        ? letter
        : { topic: DEAD_LETTER_TOPIC, partition: LETTER_PARTITION, offset: letter.letterOffset },
    })),
    (place, replayedAs) =>
      resolveDeadLetters(warehouse, [{ place, state: 'replayed', replayedAs }]),
  );
  return whole;
}

/** Closes letters without replaying them; their bytes stay in the topic. */
export async function discardLetters(
  warehouse: Warehouse,
  letters: readonly ListedLetter[],
): Promise<void> {
  if (letters.length === 0) return;
  await resolveDeadLetters(
    warehouse,
    letters.map((place) => ({ place, state: 'discarded' })),
  );
}
