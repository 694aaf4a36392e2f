import fc from 'fast-check';
import { expect, test } from 'vitest';
import { dispositionOf, TributaryError } from '#runtime/errors.ts';
import { encodeChange, envelopeSchema } from '../testing/sample-envelope.ts';
import { compileEnvelope, rowSchemaOf } from '../change/envelope-reader.ts';
import { AvroCursor, AvroMismatch } from './avro-cursor.ts';
import { compileSkip } from './avro-skip.ts';
import { compileType, createDecoder, malformed } from './decoder.ts';
import { readSchemaId } from './wire-format.ts';

const schema = envelopeSchema('users', [
  { name: 'id', type: 'long' },
  { name: 'email', type: ['null', 'string'] },
  { name: 'tags', type: { type: 'array', items: ['null', 'string'] } },
]);
const after = { id: 1, email: 'a', tags: ['b', null] };
const record = encodeChange(schema, 7, 'users', { op: 'c', after });

test('reads longs beyond 2^53 exactly', () => {
  const decode = createDecoder('long');
  // Zigzag varint of 2^53 + 1 and of the lowest long.
  const header = Buffer.alloc(5);
  const encoded = (hex: string) => Buffer.concat([header, Buffer.from(hex, 'hex')]);
  expect(decode(encoded('8280808080808020'))).toBe(9_007_199_254_740_993n);
  expect(decode(encoded('ffffffffffffffffff01'))).toBe(-(2n ** 63n));
});

test('a default that JSON cannot write does not stand in the way', () => {
  const level = { name: 'level', type: 'double', default: 'Infinity' };
  const decode = createDecoder({ type: 'record', name: 'Row', fields: [level] });
  const zero = Buffer.alloc(5 + 8);
  expect({ ...(decode(zero) as object) }).toEqual({ level: 0 });
});

test('an envelope read off its bytes says what decoding it says, and where its rows are', () => {
  const { op, source } = createDecoder(schema)(record) as Record<string, Record<string, unknown>>;
  const envelope = compileEnvelope(schema)(record);
  expect(envelope.op).toBe(op);
  for (const [field, value] of Object.entries(envelope.source)) {
    expect(value).toEqual(source?.[field]);
  }
  expect(envelope.before).toBeNull();
  const row = compileType(rowSchemaOf(schema)).decode(record, envelope.after ?? 0).value as object;
  expect({ ...row }).toEqual({ ...after, id: 1n });
});

test('any bytes are decoded or refused as a dead letter, never a crash', () => {
  const decode = compileEnvelope(schema);
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 400 }).map((array) => Buffer.from(array)),
    // A real record, cut short or with a byte flipped, gets further into the decoder.
    fc.nat(record.length - 1).map((length) => record.subarray(0, length)),
    fc.tuple(fc.nat(record.length - 1), fc.nat(255)).map(([at, byte]) => {
      const damaged = Buffer.from(record);
      damaged[at] = byte;
      return damaged;
    }),
  );
  fc.assert(
    fc.property(bytes, (input) => {
      try {
        readSchemaId(input);
        decode(input);
      } catch (error) {
        expect(error).toBeInstanceOf(TributaryError);
        expect(dispositionOf(error)).toBe('dead-letter');
      }
    }),
    { numRuns: 2_000 },
  );
});

test('a claimed length costs neither time nor memory, whether the value is read or skipped', () => {
  const collections = {
    type: 'record',
    name: 'R',
    fields: [
      { name: 'list', type: { type: 'array', items: 'int' } },
      { name: 'map', type: { type: 'map', values: 'int' } },
    ],
  };
  const skip = compileSkip(compileType(collections));
  const readers = [
    createDecoder(collections),
    (bytes: Buffer) => {
      const cursor = new AvroCursor();
      cursor.reset(bytes, 5);
      try {
        skip(cursor);
      } catch (error) {
        throw error instanceof AvroMismatch ? malformed(bytes, error) : error;
      }
    },
  ];
  // Zigzag varints: 2^31 - 1, 2^40 and 2^62 items, and blocks that jump backwards.
  const lengths = ['feffffff0f', '808080808040', '808080808080808040', '0109', '010b', '030b'];
  const header = Buffer.alloc(5);
  for (const decode of readers) {
    for (const hex of lengths) {
      for (const before of ['', '00']) {
        const began = performance.now();
        expect(() => decode(Buffer.concat([header, Buffer.from(before + hex, 'hex')]))).toThrow(
          expect.objectContaining({ code: 'RECORD_MALFORMED' }),
        );
        expect(performance.now() - began).toBeLessThan(100);
      }
    }
  }
});

test('blocks of arrays and maps are read as they were written, with and without their size', () => {
  const list = createDecoder({ type: 'array', items: 'int' });
  const map = createDecoder({ type: 'map', values: 'int' });
  const body = (hex: string) => Buffer.concat([Buffer.alloc(5), Buffer.from(hex, 'hex')]);
  expect(list(body('03040204020600'))).toEqual([1, 2, 3]);
  expect(map(body('02026102010602620400'))).toEqual({ a: 1, b: 2 });
});
