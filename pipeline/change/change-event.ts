import type { Lsn } from './lsn.ts';
import type { Columns } from './row-image.ts';
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

/**
 * One change of one table, as the pipeline understands it. Columns are those after the change; of a
 * delete only the key's, all that Postgres tells for certain. Where rows have no key, a delete has the
 * whole row instead, and an update the row before it too.
 */
export type ChangeEvent =
  | {
      readonly kind: 'snapshot' | 'insert' | 'update' | 'delete';
      readonly origin: ChangeOrigin;
      readonly columns: Columns;
      /** Of an update of a table without a key the row that it replaced. */
      readonly before?: Columns;
    }
  | { readonly kind: 'truncate'; readonly origin: ChangeOrigin };
