import { expect, test } from 'vitest';
import { messageCode } from '#runtime/errors.ts';
import { commitLsnOf, readEnvelope, type Envelope } from './envelope.ts';
import { isUnavailable, UNAVAILABLE } from './row-image.ts';

function envelope(op: string, parts: Partial<Envelope>): Envelope {
  return {
    op,
    before: null,
    after: null,
    source: {
      schema: 'public',
      table: 't',
      txId: 7n,
      sequence: '["5","9"]',
      lsn: 9n,
      ts_us: 1_000_000n,
    },
    ...parts,
  };
}

function codeOf(act: () => unknown): string | undefined {
  try {
    act();
  } catch (error) {
    return messageCode(error);
  }
  return undefined;
}

test('each operation becomes its kind of change event', () => {
  const kinds = ['r', 'c', 'u', 'd', 't'].map(
    (op) => readEnvelope(envelope(op, { before: 1, after: 2 })).kind,
  );
  expect(kinds).toEqual(['snapshot', 'insert', 'update', 'delete', 'truncate']);
  expect(codeOf(() => readEnvelope(envelope('m', {})))).toBe('ENVELOPE_UNEXPECTED');
  expect(codeOf(() => readEnvelope(envelope('c', {})))).toBe('ENVELOPE_UNEXPECTED');
});

test('a delete carries the key alone, because the rest of its before-image is made up', () => {
  const event = readEnvelope(envelope('d', { before: 7, after: null }));
  expect(event).toMatchObject({ rows: [{ at: 7, isKeyOnly: true, isRemoved: true }] });
});

test('a value that the update left alone is told from NULL and from empty', () => {
  const unavailable = [UNAVAILABLE, Buffer.from(UNAVAILABLE)];
  const others = ['', null, 0, false, 0n, [], ['a'], `${UNAVAILABLE}!`, [UNAVAILABLE, ''], {}];
  expect(unavailable.filter(isUnavailable)).toEqual(unavailable);
  expect(others.filter(isUnavailable)).toEqual([]);
});

test('the commit position is the first part of source.sequence, exact beyond 2^53', () => {
  expect(commitLsnOf('["18446744073709551615","1"]')).toBe(18_446_744_073_709_551_615n);
  expect(commitLsnOf('[null,"24023128"]')).toBeNull();
  expect(commitLsnOf(null)).toBeNull();
  for (const unknown of ['', '[]', '["5"]', '["5","9","1"]', '{"a":1}', '["x","9"]']) {
    expect(codeOf(() => commitLsnOf(unknown))).toBe('ENVELOPE_UNEXPECTED');
  }
});
