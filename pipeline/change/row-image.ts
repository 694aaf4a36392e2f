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
 * What Debezium writes in place of an out-of-line (TOAST) value that the update left alone and that
 * Postgres therefore did not log.
 *
 * @see Debezium documentation, PostgreSQL connector, `unavailable.value.placeholder`
 */
const UNAVAILABLE = '__debezium_unavailable_value';
const UNAVAILABLE_BYTES = Buffer.from(UNAVAILABLE);

/**
 * Whether a value is the one the row had before, which the record does not tell. That is neither
 * NULL nor empty.
 */
export function isUnavailable(value: ColumnValue): boolean {
  if (typeof value === 'string') return value === UNAVAILABLE;
  if (typeof value !== 'object') return false;
  if (Buffer.isBuffer(value)) return value.equals(UNAVAILABLE_BYTES);
  return Array.isArray(value) && value.length === 1 && value[0] === UNAVAILABLE;
}
