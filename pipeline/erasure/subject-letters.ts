import type { ClickHouseClient } from '@clickhouse/client';
import { TributaryError } from '#runtime/errors.ts';
import {
  blankLetters,
  listDeadLetters,
  resolveDeadLetters,
  type ListedLetter,
} from '../sink/clickhouse-dead-letters.ts';
import { WITHHELD_HEADER } from '../sink/withhold-masked.ts';
import { containsAny } from './search-values.ts';

/** Shorter keys are found in too many bytes by chance. */
const SHORTEST_KEY = 8;
const MOST = 100_000;

/**
 * Dead letters whose bytes tell of a subject.
 *
 * @param key - of the subject
 * @param values - that only the subject has
 * @throws TributaryError `SINK_UNAVAILABLE`, `SINK_REFUSED`
 */
export async function lettersOf(
  client: ClickHouseClient,
  key: string,
  values: readonly string[],
): Promise<ListedLetter[]> {
  const texts = key.length < SHORTEST_KEY ? values : [key, ...values];
  if (texts.length === 0) return [];
  const tells = ['key_bytes', 'value_bytes'].map((bytes) =>
    containsAny(`tryBase64Decode(${bytes})`, texts),
  );
  return listDeadLetters(client, { bytes: tells.join(' OR ') }, MOST);
}

/**
 * Makes sure that no open letter needs the records of topics: those of masked tables have no bytes
 * of their own.
 *
 * @throws TributaryError `ERASE_REFUSED`, `SINK_UNAVAILABLE`, `SINK_REFUSED`
 */
export async function refuseWithheld(
  client: ClickHouseClient,
  topics: readonly string[],
): Promise<void> {
  for (const topic of topics) {
    const open = await listDeadLetters(client, { topic, state: 'open' }, MOST);
    const withheld = open.filter(({ headers }) => WITHHELD_HEADER in headers);
    if (withheld.length === 0) continue;
    throw new TributaryError(
      'ERASE_REFUSED',
      `${withheld.length} open dead letters of topic ${topic} have their records in the topic alone, which is to be emptied`,
      { fix: `Replay or discard them first: tributary dead-letters list --topic ${topic}` },
    );
  }
}

/** Takes the bytes of letters out of the warehouse; open ones are closed. */
export async function blankSubjectLetters(
  client: ClickHouseClient,
  letters: readonly ListedLetter[],
): Promise<void> {
  if (letters.length === 0) return;
  await blankLetters(client, letters);
  const open = letters.filter(({ state }) => state === 'open');
  if (open.length > 0) {
    await resolveDeadLetters(
      client,
      open.map((place) => ({ place, state: 'discarded' as const })),
    );
  }
}
