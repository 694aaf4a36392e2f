import { createHash } from 'node:crypto';

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
/** Of an array of uuid: the version 3 UUID of the text. */
const AS_UUID = uuidOf(BYTES);

/**
 * Whether a value is the one the row had before, which the record does not tell. That is neither
 * NULL nor empty. Debezium spells it in a way that the column's type allows; of an array of numbers
 * or dates, as the codes of the text.
 */
export function isUnavailable(value: ColumnValue): boolean {
  if (typeof value === 'string') return value === UNAVAILABLE || value === UNAVAILABLE_PAIR;
  if (typeof value !== 'object' || value === null) return false;
  if (Buffer.isBuffer(value)) return value.equals(BYTES);
  if (!Array.isArray(value)) return false;
  const items = value as readonly ColumnValue[];
  if (items.length === 1) {
    const [item] = items;
    return (
      item === UNAVAILABLE || item === AS_UUID || (Buffer.isBuffer(item) && item.equals(BYTES))
    );
  }
  return items.length === BYTES.length && items.every((item, at) => Number(item) === BYTES[at]);
}

function uuidOf(name: Buffer): string {
  const bytes = createHash('md5').update(name).digest();
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x30, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
