import avro from 'avsc';
import { describeError, TributaryError } from '#runtime/errors.ts';
import type { AvroSchema } from './avro-schema.ts';
import { BoundedArrayType, BoundedMapType } from './bounded-collections.ts';
import { AvroMismatch, type AvroCursor } from './avro-cursor.ts';
import { HEADER_BYTES } from './wire-format.ts';

/**
 * Avro long as bigint. JavaScript numbers end at 2^53; service ids and positions do not.
 */
const longAsBigInt = avro.types.LongType.__with({
  fromBuffer: (buffer: Buffer) => buffer.readBigInt64LE(),
  toBuffer: (value: bigint) => {
    const buffer = Buffer.alloc(8);
    buffer.writeBigInt64LE(value);
    return buffer;
  },
  fromJSON: (value: number | string) => BigInt(value),
  toJSON: Number,
  isValid: (value: unknown) => typeof value === 'bigint',
  compare: (a: bigint, b: bigint) => (a === b ? 0 : a < b ? -1 : 1),
});

/**
 * Compiles one schema. Its registry of names must be its own: names repeat over ids.
 *
 * @throws Error when it is not a schema
 */
export function compileType(schema: AvroSchema): avro.Type {
  return avro.Type.forSchema(withoutDefaults(schema), {
    registry: {},
    wrapUnions: 'never',
    typeHook: (candidate: avro.Schema, options: avro.ForSchemaOptions) => {
      const type =
        typeof candidate === 'object' && 'type' in candidate ? candidate.type : candidate;
      if (type === 'long') return longAsBigInt;
      if (type === 'array') return new BoundedArrayType(candidate, options);
      if (type === 'map') return new BoundedMapType(candidate, options);
      return undefined;
    },
  });
}

/**
 * The schema as decoding needs it. Defaults are for fields that a writer did not have, and a reader
 * of ours has none such; and JSON has no way to write some, as of a column that is infinite by
 * default, so that the schema would not compile.
 */
function withoutDefaults(schema: AvroSchema): avro.Schema {
  return JSON.parse(JSON.stringify(schema), (key, value: unknown) =>
    key === 'default' ? undefined : value,
  ) as avro.Schema;
}

/** Why avsc gave up, in words that cannot hold a value of the row. */
function complaintOf(error: unknown): string {
  if (error instanceof AvroMismatch) return error.message;
  const text = describeError(error);
  if (text === 'truncated buffer') return 'it ends too early';
  if (text === 'trailing data') return 'bytes are left over';
  if (error instanceof RangeError) return 'it claims more items than it has bytes';
  return 'a choice or symbol in it does not exist';
}

/** What a record is that does not fit its schema. */
export function malformed(record: Buffer, error: unknown): TributaryError {
  return new TributaryError(
    'RECORD_MALFORMED',
    `the Avro body does not fit its schema: ${complaintOf(error)}`,
    { cause: error, context: { bytes: record.length } },
  );
}

/**
 * Decodes the value at a cursor and moves on.
 *
 * @throws AvroMismatch
 */
export function decodeAt(type: avro.Type, cursor: AvroCursor): unknown {
  try {
    const { value, offset } = type.decode(cursor.bytes, cursor.at);
    if (offset >= 0) {
      cursor.at = offset;
      return value;
    }
  } catch (error) {
    throw new AvroMismatch(complaintOf(error), { cause: error });
  }
  throw new AvroMismatch('it ends too early');
}

/** Decodes the Avro body of records that one schema wrote. */
export type Decode = (record: Buffer) => unknown;

/**
 * Compiles a decoder for whole records in the wire format.
 *
 * @returns a function that throws TributaryError `RECORD_MALFORMED` on bytes that do not fit
 */
export function createDecoder(schema: AvroSchema): Decode {
  const type = compileType(schema);
  return (record) => {
    try {
      return type.fromBuffer(record.subarray(HEADER_BYTES));
    } catch (error) {
      throw malformed(record, error);
    }
  };
}
