import { headerText, type RecordHeaders } from './record-headers.ts';
import type { Epoch } from './version.ts';

/**
 * Header of a record without value that stands in each partition of a table's topic where an epoch
 * may begin: its number. Who reads it waits there until the epoch's snapshot is known.
 */
export const RESYNC_HEADER = 'tributary.resync';

const DECIMAL = /^\d{1,5}$/;

/** Epoch of a marker; undefined when the record is none. */
export function markedEpoch(record: {
  readonly value: Buffer | null;
  readonly headers?: RecordHeaders | undefined;
}): Epoch | undefined {
  if (record.value !== null) return undefined;
  const text = headerText(record.headers, RESYNC_HEADER);
  return text !== undefined && DECIMAL.test(text) ? (Number(text) as Epoch) : undefined;
}
