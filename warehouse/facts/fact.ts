/** Condition that picks keys, made for a column which holds the key of the fact. */
export type Scope = (column: string) => string;

/**
 * A wide table in database `facts`, one row for each key, computed from tables of several sources
 * and kept by {@link refreshFact}. Its engine is `ReplacingMergeTree(_version, _deleted)`; it is
 * read with FINAL, through a mart.
 */
export interface Fact {
  /** Name of the table in `facts`. */
  readonly name: string;
  /** What it is computed from, `<source>.<table>`. */
  readonly needs: readonly string[];
  /** Statement that makes the table. */
  readonly table: string;
  /** Stored table whose rows the fact has, and the column of the key: `current.orders__orders`. */
  readonly keys: { readonly table: string; readonly column: string };
  /**
   * By table of `needs`: SELECT of the keys, as text, that changes inserted after a block touch.
   * More than those does no harm.
   */
  readonly touched: Readonly<Record<string, (block: string) => string>>;
  /** SELECT of the rows as they have to be, all columns but `_version` and `_deleted`, in order. */
  readonly rows: (scope: Scope) => string;
  /** SELECT of the sorting keys that rows may have had and have no more, with their columns. */
  readonly gone: { readonly columns: string; readonly select: (scope: Scope) => string };
}

/** Where the pipeline stores the newest rows of a source's table, without the database. */
export function storedAs(table: string): string {
  return table.replace('.', '__');
}
