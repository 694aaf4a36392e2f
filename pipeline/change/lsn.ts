/**
 * A position in one Postgres cluster's write-ahead log.
 *
 * A bigint and never a number: an LSN has 64 bits.
 *
 * @see PostgreSQL manual, `pg_lsn`
 */
export type Lsn = bigint & { readonly __brand: 'Lsn' };

const LSN_LIMIT = 1n << 64n;

/** Lsn of a bigint, e.g. an Avro long as Debezium sends it. @throws RangeError outside 64 bits */
export function lsn(value: bigint): Lsn {
  if (value < 0n || value >= LSN_LIMIT) throw new RangeError('an LSN has 64 bits');
  return value as Lsn;
}

/** Parses the decimal text of Debezium's `source.sequence`. @throws RangeError when it is not one */
export function parseDecimalLsn(text: string): Lsn {
  if (!/^\d{1,20}$/.test(text)) throw new RangeError('not a decimal LSN');
  return lsn(BigInt(text));
}

/** Postgres's own text form, such as `16/B374D848`. */
export function formatLsn(value: Lsn): string {
  const hex = (part: bigint) => part.toString(16).toUpperCase();
  return `${hex(value >> 32n)}/${hex(value & 0xffff_ffffn)}`;
}

/** Parses Postgres's own text form. @throws RangeError when it is not one */
export function parseLsn(text: string): Lsn {
  const [, high, low] = /^([0-9A-F]{1,8})\/([0-9A-F]{1,8})$/i.exec(text) ?? [];
  if (high === undefined || low === undefined) throw new RangeError('not an LSN');
  return lsn((BigInt(`0x${high}`) << 32n) | BigInt(`0x${low}`));
}
