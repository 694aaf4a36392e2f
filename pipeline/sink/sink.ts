import type { Lsn } from '../change/lsn.ts';
import type { Offset } from '../change/offset.ts';
import type { TransactionId } from '../change/transaction-snapshot.ts';
import type { Epoch } from '../change/version.ts';
import type { Cell } from '../transform/column-type.ts';
import type { RowBlock } from '../transform/row-block.ts';
import type { TablePlan } from '../transform/table-plan.ts';

/** A row that is asked for as it was before a change. */
export interface AskedRow {
  /** Cells of its key by their places among the plan's columns. */
  readonly key: ReadonlyMap<number, Cell>;
  /** Packed; only what is older counts. */
  readonly version: bigint;
}

/** How far a partition is stored. */
export interface StoredPosition {
  /** Highest offset. */
  readonly offset: Offset;
  /** Highest commit position. */
  readonly commitLsn: Lsn;
  /** The transaction in which the connector's snapshot read the last row that came of one. */
  readonly snapshotBy: TransactionId | undefined;
}

/**
 * Where rows go. One implementation: ClickHouse.
 *
 * Every method rejects with a TributaryError: `SINK_UNAVAILABLE` (retry), `SINK_REFUSED`,
 * `KEY_CHANGED`, `TYPE_CHANGED` (halt), `VALUE_REJECTED` (some row of the batch cannot be stored).
 */
export interface Sink {
  /**
   * Makes storage and view of a table fit a plan. Idempotent; call before rows of a new plan.
   *
   * @returns stored names of columns that the table keeps as text, although the plan has another type
   */
  prepare(plan: TablePlan): Promise<ReadonlySet<string>>;

  /**
   * How far the change log goes in each partition. Rows up to there are stored, in the current table
   * too: it is written first.
   *
   * @param since - rows of earlier epochs do not count: their offsets and positions are of another
   * history
   */
  storedPositions(
    plan: Pick<TablePlan, 'source' | 'relation'>,
    since: Epoch,
  ): Promise<ReadonlyMap<number, StoredPosition>>;

  /**
   * Stores rows, and resolves once ClickHouse has acknowledged them. Repeating the call with the same
   * rows and token is safe.
   */
  insert(block: RowBlock, token: string): Promise<void>;

  /**
   * Values that these rows had after the last stored change before them, of the columns at
   * `indexes`, by their places in `rows`. Rows that are not there are left out.
   */
  lastValues(
    plan: TablePlan,
    rows: readonly AskedRow[],
    indexes: readonly number[],
  ): Promise<ReadonlyMap<number, ReadonlyMap<number, Cell>>>;

  /** The rows that were deleted by the changes at these positions of the source's log (`_lsn`). */
  deletesAt(plan: TablePlan, lsns: readonly Lsn[]): Promise<ReadonlyMap<Lsn, AskedRow>>;

  /**
   * Marks every row of a table that is older than a truncation as deleted by it. A table that is
   * not there has no rows.
   *
   * @param own - cells of `OWN_COLUMNS` of the truncation
   */
  truncate(table: Pick<TablePlan, 'source' | 'relation'>, own: readonly Cell[]): Promise<void>;
}
