import { TributaryError } from '#runtime/errors.ts';
import type { DeadLetterQueue } from './dead-letter.ts';

/** How many dead letters are too many. */
export interface FloodLimit {
  /** Most letters of one topic within the window. */
  readonly letters: number;
  readonly windowMs: number;
}

/**
 * Keeps a topic of which nearly every record fails from being drained into the dead letters: the
 * letter above the limit is refused with `DEAD_LETTER_FLOOD`, which halts its table and no other.
 *
 * The refused record is not set aside and its offset not committed: it comes again.
 *
 * @param nowMs - a clock that never steps back, in milliseconds
 */
export function guardAgainstFlood(
  queue: DeadLetterQueue,
  limit: FloodLimit,
  nowMs: () => number = () => performance.now(),
): DeadLetterQueue {
  /** When the latest letters of each topic were written, oldest first. */
  const written = new Map<string, number[]>();
  return {
    async write(letter, signal) {
      const { topic } = letter.record;
      const now = nowMs();
      const recent = (written.get(topic) ?? []).filter((at) => now - at < limit.windowMs);
      written.set(topic, recent);
      if (recent.length >= limit.letters) {
        throw new TributaryError(
          'DEAD_LETTER_FLOOD',
          `topic ${topic}: ${recent.length} records set aside within ${limit.windowMs / 1000} s, the last ones because of ${letter.error.code}`,
          { context: { topic, letters: recent.length, code: letter.error.code } },
        );
      }
      recent.push(now);
      await queue.write(letter, signal);
    },
  };
}
