import { TributaryError } from '#runtime/errors.ts';
import { parseOffset, type Offset } from './offset.ts';
import { headerText, type RecordHeaders } from './record-headers.ts';

/**
 * Header of a record that was replayed from the dead letters: the offset at which it first stood in
 * its topic and partition. That offset, not the new one, decides its version: a change that comes
 * late must not beat changes of its own transaction that came after it.
 */
export const REPLAY_HEADER = 'tributary.replay-of';

const DECIMAL = /^\d{1,15}$/;

/**
 * The offset a replayed record first had; undefined when it is no replay.
 *
 * @throws TributaryError `RECORD_MALFORMED` when the header is not an offset
 */
export function firstOffsetOf(headers: RecordHeaders | undefined): Offset | undefined {
  const text = headerText(headers, REPLAY_HEADER);
  if (text === undefined) return undefined;
  if (DECIMAL.test(text)) return parseOffset(text);
  throw new TributaryError('RECORD_MALFORMED', `the header ${REPLAY_HEADER} is not an offset`);
}
