import { dispositionOf, TributaryError } from '#runtime/errors.ts';
import type { Offset } from '../change/offset.ts';
import type { RecordHeaders } from '../change/record-headers.ts';

/** A record as it stands in its topic. */
export interface SourceRecord {
  readonly topic: string;
  readonly partition: number;
  readonly offset: Offset;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers?: RecordHeaders | undefined;
}

/** A record that can never be applied, and why. */
export interface DeadLetter {
  readonly record: SourceRecord;
  readonly error: TributaryError;
}

/** Whether a failure concerns one record, which can be set aside, and not the whole table. */
export function concernsOneRecord(error: unknown): error is TributaryError {
  return error instanceof TributaryError && dispositionOf(error) === 'dead-letter';
}

/** Where dead letters are kept. */
export interface DeadLetterQueue {
  /**
   * Resolves once the letter is stored durably; only then may its offset be committed. Keeps
   * trying while the queue is away. Writing the same letter again is harmless.
   *
   * @throws TributaryError `DEAD_LETTER_FLOOD` when there are too many: the table is to halt
   */
  write(letter: DeadLetter, signal: AbortSignal): Promise<void>;
}
