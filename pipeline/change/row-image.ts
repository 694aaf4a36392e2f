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
 * What Debezium is told to write in place of an out-of-line (TOAST) value that the update left alone
 * and that Postgres therefore did not log. Its own default is a text that people write about; this
 * one is nobody's.
 *
 * @see Debezium documentation, PostgreSQL connector, `unavailable.value.placeholder`
 */
export const UNAVAILABLE = 'tributary unchanged 5d0c8f1e-7b3a-4c62-9e0d-2f6a81c4b97e';

const BYTES = Buffer.from(UNAVAILABLE);
/** Of an hstore, which comes as JSON. */
export const UNAVAILABLE_PAIR = JSON.stringify({ [UNAVAILABLE]: UNAVAILABLE });

/**
 * Whether a value is the one the row had before, which the record does not tell. That is neither
 * NULL nor empty. The connector spells it in a way that the column's type allows.
 */
export function isUnavailable(value: ColumnValue): boolean {
  if (typeof value === 'string') return value === UNAVAILABLE || value === UNAVAILABLE_PAIR;
  return Buffer.isBuffer(value) && value.equals(BYTES);
}
