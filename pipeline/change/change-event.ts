import type { Lsn } from './lsn.ts';
import type { TransactionId } from './transaction-snapshot.ts';

/** Where and when a change happened at its source. */
export interface ChangeOrigin {
  readonly schema: string;
  readonly table: string;
  /** Last commit position seen by the connector; `null` in snapshot rows and right after them. */
  readonly commitLsn: Lsn | null;
  /** The transaction that made the change; `null` where the connector tells none. */
  readonly transaction: TransactionId | null;
  /** The change's own position. Not in commit order; for people, not for comparing. */
  readonly lsn: Lsn | null;
  /** Commit time, or for snapshot rows the time of reading, in microseconds since 1970 UTC. */
  readonly committedAtMicros: bigint;
}

/** A row of a change, where it lies in the bytes of its record. */
export interface RowPlace {
  /** Where its first column begins. */
  readonly at: number;
  /** Whether only the columns of the key are real. */
  readonly isKeyOnly: boolean;
  /** Whether the change took the row away. */
  readonly isRemoved: boolean;
}

/**
 * One change of one table, as the pipeline understands it. The row is that after the change; of a
 * delete it is that before, with the key alone: all that Postgres tells for certain. Where rows have no
 * key, the row before a delete or an update is whole, and an update has both.
 */
export type ChangeEvent =
  | {
      readonly kind: 'snapshot' | 'insert' | 'update' | 'delete';
      readonly origin: ChangeOrigin;
      readonly rows: readonly RowPlace[];
    }
  | { readonly kind: 'truncate'; readonly origin: ChangeOrigin };
