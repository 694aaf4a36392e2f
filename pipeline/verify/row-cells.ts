/** One row as one side has it: a text for each compared column, or a digest of it. */
export interface RowCells {
  /** In the order of the shape's columns; null where the value is NULL. */
  readonly cells: readonly (string | null)[];
  /** Changes whenever the row is written; the warehouse has none. */
  readonly revision?: string;
}
