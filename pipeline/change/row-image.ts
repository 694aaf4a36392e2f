/** A decoded column value, as the Avro decoder hands it out. `null` is SQL NULL. */
export type ColumnValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Buffer
  | readonly ColumnValue[]
  | { readonly [field: string]: ColumnValue };

/** Columns by name, in the source's order. */
export type Columns = Readonly<Record<string, ColumnValue>>;

/**
 * What of a row a change event carries.
 *
 * A column that is missing from a `partial` image was left alone by the update: its value is the
 * one the row had before, which is neither NULL nor empty.
 */
export type RowImage =
  | { readonly kind: 'full'; readonly columns: Columns }
  | {
      readonly kind: 'partial';
      readonly columns: Columns;
      /** Unchanged out-of-line (TOAST) columns that Postgres did not log. */
      readonly unchanged: ReadonlySet<string>;
    }
  | { readonly kind: 'key'; readonly columns: Columns };
