import type { RowPlace } from '../change/change-event.ts';
import type { ChangeStamp } from '../change/change-stamp.ts';
import type { Offset } from '../change/offset.ts';
import type { Cell } from '../transform/column-type.ts';
import type { TablePlan } from '../transform/table-plan.ts';
import type { SourceRecord } from './dead-letter.ts';

/** What the sink is to do about one record. Records without effect only move the position. */
export type Work =
  | {
      readonly kind: 'row';
      readonly record: SourceRecord;
      readonly plan: TablePlan;
      /** Rows of the change in the record's value, which waits as the bytes it came as. */
      readonly rows: readonly RowPlace[];
      readonly stamp: ChangeStamp;
      /** Commit time in microseconds since 1970, of streamed changes; of others undefined. */
      readonly committedAtMicros: bigint | undefined;
      /** Whether the record was replayed, so that it is older than what came before it. */
      readonly isReplayed?: boolean;
    }
  | {
      readonly kind: 'truncate';
      readonly record: SourceRecord;
      readonly table: Pick<TablePlan, 'source' | 'relation'>;
      /** Cells of `OWN_COLUMNS`. */
      readonly own: readonly Cell[];
    }
  | { readonly kind: 'skip'; readonly record: SourceRecord };

/** Row work, with its rows. */
export type RowWork = Extract<Work, { kind: 'row' }>;

/** Bounds of one insert. Whichever is reached first cuts the batch. */
export interface BatchLimits {
  readonly maxRows: number;
  readonly maxBytes: number;
}

/** Work that is applied, acknowledged and, if need be, repeated as one. */
export interface Batch {
  readonly work: readonly Work[];
  readonly bytes: number;
}

/** About what work takes in memory beside the bytes of its record. */
export const WORK_BYTES = 1_000;

/** Bytes of a record that count against the bounds. */
export function recordBytes(record: SourceRecord): number {
  return (record.value?.length ?? 0) + (record.key?.length ?? 0);
}

/**
 * Takes the longest prefix of `queue` that may go into one insert: rows of one plan, within the
 * limits (at least one item), and a truncation only by itself, because it applies to what was
 * stored before it.
 *
 * A replayed row is by itself: values that an update left alone are filled in from the row before it
 * in the batch, which must be the change before it.
 */
export function nextBatch(queue: readonly Work[], limits: BatchLimits): Batch {
  let bytes = 0;
  let rows = 0;
  let plan: TablePlan | undefined;
  let isReplay = false;
  let count = 0;
  for (const item of queue) {
    if (item.kind === 'truncate') {
      if (count === 0) count = 1;
      break;
    }
    if (item.kind === 'row') {
      const size = recordBytes(item.record);
      const full = rows >= limits.maxRows || bytes + size > limits.maxBytes;
      if ((plan !== undefined && item.plan !== plan) || (rows > 0 && full)) break;
      if (rows > 0 && (isReplay || item.isReplayed === true)) break;
      isReplay = item.isReplayed === true;
      plan = item.plan;
      rows += 1;
      bytes += size;
    }
    count += 1;
  }
  return { work: queue.slice(0, count), bytes };
}

/** Highest offset per partition. Records of a partition come in order, so the last one counts. */
export function lastOffsets(work: readonly Work[]): Map<number, Offset> {
  const last = new Map<number, Offset>();
  for (const { record } of work) last.set(record.partition, record.offset);
  return last;
}

/**
 * Token under which ClickHouse drops an insert that it has already stored: the offset ranges, per
 * partition, of the rows in it. A repeated insert of the same rows has the same token.
 */
export function deduplicationToken(work: readonly Work[]): string {
  const ranges = new Map<number, { readonly first: Offset; last: Offset; count: number }>();
  for (const { record } of work) {
    const { partition, offset } = record;
    const range = ranges.get(partition);
    if (range === undefined) ranges.set(partition, { first: offset, last: offset, count: 1 });
    else {
      range.last = offset;
      range.count += 1;
    }
  }
  return [...ranges]
    .sort(([a], [b]) => a - b)
    .map(([partition, { first, last, count }]) => `${partition}:${first}-${last}/${count}`)
    .join(',');
}
