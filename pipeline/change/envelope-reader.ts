import type avro from 'avsc';
import { TributaryError } from '#runtime/errors.ts';
import { AvroMismatch, SHARED_CURSOR, type AvroCursor } from '../avro/avro-cursor.ts';
import { isRecord, unwrapNullable, type AvroRecord, type AvroSchema } from '../avro/avro-schema.ts';
import { compileSkip, partsOf, type AvroField, type Skip } from '../avro/avro-skip.ts';
import { compileType, decodeAt, malformed } from '../avro/decoder.ts';
import { HEADER_BYTES } from '../avro/wire-format.ts';
import type { Envelope } from './envelope.ts';

/** Fields of the envelope that {@link Envelope} needs. */
const ENVELOPE_FIELDS = ['before', 'after', 'source', 'op'] as const;
/** Fields of the envelope's `source` block that {@link Envelope} needs. */
const SOURCE_FIELDS = ['schema', 'table', 'sequence', 'txId', 'lsn', 'ts_us'] as const;

/** Reads where and when a change was, and where its rows lie; the rows themselves it passes over. */
export type ReadEnvelopeBytes = (record: Buffer) => Envelope;

type ReadValue = (cursor: AvroCursor) => unknown;

/**
 * Compiles how the envelopes of one schema are read. The bytes of a record are checked to their end,
 * so that rows can be read off them later.
 *
 * @returns a function that throws TributaryError `RECORD_MALFORMED` on bytes that do not fit
 * @throws TributaryError `ENVELOPE_UNEXPECTED` for a schema that has no envelope or is no schema
 */
export function compileEnvelope(valueSchema: AvroSchema): ReadEnvelopeBytes {
  envelopeOf(valueSchema);
  const readFields = compileFields(valueSchema);
  return (record) => {
    const cursor = SHARED_CURSOR;
    cursor.reset(record, HEADER_BYTES);
    try {
      const [before, after, source, op] = readFields(cursor);
      if (!cursor.isAtEnd) throw new AvroMismatch('bytes are left over');
      // What it is in truth, its own checks say.
      return { before, after, source, op } as Envelope;
    } catch (error) {
      if (error instanceof AvroMismatch) throw malformed(record, error);
      throw error;
    }
  };
}

function compileFields(valueSchema: AvroSchema): ReadFields {
  try {
    const fields = partsOf(compileType(valueSchema)).fields ?? [];
    return fieldsReader(fields, ENVELOPE_FIELDS, (name, type) => {
      if (name === 'source') return sourceReader(type);
      return name === 'op' ? valueReader(type) : placeOf(type);
    });
  } catch (error) {
    throw new TributaryError('ENVELOPE_UNEXPECTED', 'the value schema cannot be compiled', {
      cause: error,
    });
  }
}

/** Reads some fields of a record, in the order of their names; the same list each time. */
type ReadFields = (cursor: AvroCursor) => readonly unknown[];

/** A list, because an object that gets its fields one by one takes as long again. */
function fieldsReader(
  fields: readonly AvroField[],
  wanted: readonly string[],
  readerOf: (name: string, type: avro.Type) => ReadValue,
): ReadFields {
  const values = wanted.map((): unknown => undefined);
  const steps = fields.map(({ name, type }) => {
    const place = wanted.indexOf(name);
    return { place, read: place < 0 ? compileSkip(type) : readerOf(name, type) };
  });
  return (cursor) => {
    for (const step of steps) {
      const value = step.read(cursor);
      if (step.place >= 0) values[step.place] = value;
    }
    return values;
  };
}

/** Where a row begins, which may be null. */
function placeOf(type: avro.Type): ReadValue {
  const { types } = partsOf(type);
  if (types === undefined) {
    const skip = compileSkip(type);
    return (cursor) => {
      const { at } = cursor;
      skip(cursor);
      return at;
    };
  }
  const skips = types.map((branch): Skip | undefined =>
    partsOf(branch).typeName === 'null' ? undefined : compileSkip(branch),
  );
  return (cursor) => {
    const skip = skips[cursor.readBranch(skips.length)];
    if (skip === undefined) return null;
    const { at } = cursor;
    skip(cursor);
    return at;
  };
}

function sourceReader(type: avro.Type): ReadValue {
  const { fields } = partsOf(type);
  if (fields === undefined) return valueReader(type);
  const readFields = fieldsReader(fields, SOURCE_FIELDS, (_, field) => valueReader(field));
  return (cursor) => {
    const [schema, table, sequence, txId, lsn, ts_us] = readFields(cursor);
    return { schema, table, sequence, txId, lsn, ts_us };
  };
}

function valueReader(type: avro.Type): ReadValue {
  const { typeName, types } = partsOf(type);
  if (typeName === 'null') return () => null;
  if (typeName === 'string') return textReader();
  if (typeName === 'abstract:long') {
    return (cursor) => {
      cursor.readLong();
      return cursor.bigLong;
    };
  }
  if (types !== undefined) {
    const branches = types.map(valueReader);
    return (cursor) => branches[cursor.readBranch(branches.length)]?.(cursor);
  }
  // Not what Debezium writes: what it is, the envelope's own checks say.
  return (cursor) => decodeAt(type, cursor);
}

/** Most texts are those of the record before: operation, schema, table. */
function textReader(): ReadValue {
  let last = Buffer.alloc(0);
  let text = '';
  return (cursor) => {
    const { bytes } = cursor;
    const length = cursor.readLength();
    const { at } = cursor;
    cursor.skip(length);
    let same = length === last.length ? 0 : length + 1;
    while (same < length && bytes[at + same] === last[same]) same += 1;
    if (same !== length) {
      last = Buffer.from(bytes.subarray(at, at + length));
      text = last.toString();
    }
    return text;
  };
}

function envelopeOf(valueSchema: AvroSchema): AvroRecord {
  if (isRecord(valueSchema)) {
    const names = new Set(valueSchema.fields.map((field) => field.name));
    if (ENVELOPE_FIELDS.every((name) => names.has(name))) return valueSchema;
  }
  throw new TributaryError('ENVELOPE_UNEXPECTED', 'the value schema is not a Debezium envelope');
}

/**
 * Schema of a row: defined at `before`, referred to by name at `after`.
 *
 * @throws TributaryError `ENVELOPE_UNEXPECTED`
 */
export function rowSchemaOf(valueSchema: AvroSchema): AvroRecord {
  const before = envelopeOf(valueSchema).fields.find((field) => field.name === 'before');
  const row = before === undefined ? undefined : unwrapNullable(before.type).schema;
  if (row !== undefined && isRecord(row)) return row;
  throw new TributaryError('ENVELOPE_UNEXPECTED', 'the envelope does not define its row');
}
