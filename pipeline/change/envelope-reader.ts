import type avro from 'avsc';
import { TributaryError } from '#runtime/errors.ts';
import { AvroMismatch, SHARED_CURSOR, type AvroCursor } from '../avro/avro-cursor.ts';
import { isRecord, unwrapNullable, type AvroRecord, type AvroSchema } from '../avro/avro-schema.ts';
import { compileSkip, partsOf, type Skip } from '../avro/avro-skip.ts';
import { compileType, decodeAt, malformed } from '../avro/decoder.ts';
import { HEADER_BYTES } from '../avro/wire-format.ts';
import type { Envelope } from './envelope.ts';

/** Fields of the envelope that {@link Envelope} needs. */
const ENVELOPE_FIELDS = ['before', 'after', 'source', 'op'] as const;
/** Fields of the envelope's `source` block that {@link Envelope} needs. */
const SOURCE_FIELDS: ReadonlySet<string> = new Set([
  'schema',
  'table',
  'sequence',
  'txId',
  'lsn',
  'ts_us',
]);

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
  const steps = compileSteps(valueSchema);
  return (record) => {
    const envelope: Record<string, unknown> = {};
    const cursor = SHARED_CURSOR;
    cursor.reset(record, HEADER_BYTES);
    try {
      for (const { name, read } of steps) {
        const value = read(cursor);
        if (name !== undefined) envelope[name] = value;
      }
      if (!cursor.isAtEnd) throw new AvroMismatch('bytes are left over');
    } catch (error) {
      if (error instanceof AvroMismatch) throw malformed(record, error);
      throw error;
    }
    return envelope as unknown as Envelope;
  };
}

interface Step {
  /** Of what is kept. */
  readonly name: string | undefined;
  readonly read: ReadValue;
}

function compileSteps(valueSchema: AvroSchema): Step[] {
  try {
    const fields = partsOf(compileType(valueSchema)).fields ?? [];
    return fields.map(({ name, type }) => {
      if (name === 'before' || name === 'after') return { name, read: placeOf(type) };
      if (name === 'source') return { name, read: sourceReader(type) };
      if (name === 'op') return { name, read: valueReader(type) };
      return { name: undefined, read: compileSkip(type) };
    });
  } catch (error) {
    throw new TributaryError('ENVELOPE_UNEXPECTED', 'the value schema cannot be compiled', {
      cause: error,
    });
  }
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
  const steps = fields.map((field) => {
    const isWanted = SOURCE_FIELDS.has(field.name);
    return {
      name: isWanted ? field.name : undefined,
      read: isWanted ? valueReader(field.type) : compileSkip(field.type),
    };
  });
  return (cursor) => {
    const source: Record<string, unknown> = {};
    for (const { name, read } of steps) {
      const value = read(cursor);
      if (name !== undefined) source[name] = value;
    }
    return source;
  };
}

function valueReader(type: avro.Type): ReadValue {
  const { typeName, types } = partsOf(type);
  if (typeName === 'null') return () => null;
  if (typeName === 'string') return (cursor) => cursor.readString();
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
