/**
 * Place of a record in its Kafka partition. A bigint and never a number.
 */
export type Offset = bigint & { readonly __brand: 'Offset' };

/** Offset of a bigint. @throws RangeError when negative */
export function offset(value: bigint): Offset {
  if (value < 0n) throw new RangeError('an offset is not negative');
  return value as Offset;
}

/** Parses the decimal text that Kafka clients hand out. @throws when it is not one */
export function parseOffset(text: string): Offset {
  return offset(BigInt(text));
}
