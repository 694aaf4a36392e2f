import { REPLAY_HEADER } from '../change/replay.ts';
import type { DeadLetterQueue } from './dead-letter.ts';

/** Tells of a letter that its record has to be read where it came from. */
export const WITHHELD_HEADER = 'tributary.dead-letter.withheld';

/**
 * Keeps the letters of tables that have masked columns without key, value and headers, which hold
 * what must not get out. Their records stay where they are, for as long as their topic keeps them.
 *
 * @param isMasked - whether a topic may be that of such a table
 */
export function withholdMasked(
  queue: DeadLetterQueue,
  isMasked: (topic: string) => boolean,
): DeadLetterQueue {
  return {
    async write({ record, error }, signal) {
      const replayed = record.headers?.[REPLAY_HEADER];
      await queue.write(
        {
          record: isMasked(record.topic)
            ? {
                ...record,
                key: null,
                value: null,
                headers: {
                  ...(replayed === undefined ? {} : { [REPLAY_HEADER]: replayed }),
                  [WITHHELD_HEADER]: 'masked',
                },
              }
            : record,
          error,
        },
        signal,
      );
    },
  };
}
