import type { Cell } from '../transform/column-type.ts';

/**
 * Values of one column as ClickHouse's format Native has them: one after the other, in binary.
 *
 * @see ClickHouse documentation, "Native" and "Data types binary encoding"
 */
export interface Column {
  /** What ClickHouse takes the bytes for. */
  readonly type: string;
  /** Number of values. */
  readonly length: number;
  /** Adds what stands for a value that is not there. */
  appendDefault(): void;
  /**
   * Adds a value.
   *
   * @throws TributaryError `VALUE_REJECTED` when the type cannot hold it; the column is as before
   */
  append(cell: Exclude<Cell, null>): void;
  /** Adds the value of a row once more. */
  appendCopy(row: number): void;
  /** Takes values back until there are `length`. */
  truncate(length: number): void;
  /** Text that is equal exactly for equal values. */
  identity(row: number): string;
  /** The bytes; valid until something is added. */
  bytes(): Buffer[];
}
