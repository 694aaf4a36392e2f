import { TributaryError } from '#runtime/errors.ts';

/** Number under which the registry keeps a schema; the wire format carries it in each record. */
export type SchemaId = number & { readonly __brand: 'SchemaId' };

const MAGIC_BYTE = 0;
/**
 * First byte of what our converter sends in place of a value that is larger than a record may be;
 * the size in bytes follows, as 8 bytes, big-endian.
 *
 * @see connectors/java/io/tributary/connect/NullKeepingAvroConverter.java
 */
const TOO_LARGE_BYTE = 0xff;
const TOO_LARGE_BYTES = 9;

/** Bytes before the Avro body: magic byte and schema id. */
export const HEADER_BYTES = 5;

/**
 * Reads the schema id in front of an Avro body.
 *
 * @throws TributaryError `RECORD_MALFORMED` when the bytes are not in the Confluent wire format,
 * `RECORD_TOO_LARGE` when they stand for a value that did not fit a record
 * @see Confluent documentation, "Wire format"
 */
export function readSchemaId(bytes: Buffer): SchemaId {
  if (bytes.length < HEADER_BYTES) {
    throw new TributaryError(
      'RECORD_MALFORMED',
      'the record is shorter than the wire format header',
      {
        context: { bytes: bytes.length },
      },
    );
  }
  if (bytes[0] === TOO_LARGE_BYTE && bytes.length === TOO_LARGE_BYTES) {
    throw new TributaryError(
      'RECORD_TOO_LARGE',
      `the change has ${bytes.readBigUInt64BE(1)} bytes, more than a record may have`,
    );
  }
  if (bytes[0] !== MAGIC_BYTE) {
    throw new TributaryError('RECORD_MALFORMED', 'the record does not begin with magic byte 0');
  }
  return bytes.readUInt32BE(1) as SchemaId;
}
