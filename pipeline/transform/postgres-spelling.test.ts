import fc from 'fast-check';
import { expect, test } from 'vitest';
import { spellDate, spellTimestamp, spellZonedTimestamp } from './postgres-spelling.ts';

const MILLIS_PER_DAY = 86_400_000;

test.each([
  [-2_440_588, '4714-11-24 BC'],
  [-719_163, '0001-12-31 BC'],
  [-719_162, '0001-01-01'],
  [0, '1970-01-01'],
  [2_145_042_905, '5874897-12-31'],
  [-2_147_472_692, 'infinity'],
  [-2_147_472_691, '-infinity'],
])('day %d is the date %s', (days, text) => {
  expect(spellDate(days)).toBe(text);
});

test('every date that JavaScript knows too is the same date', () => {
  fc.assert(
    fc.property(fc.integer({ min: -719_162, max: 2_932_896 }), (days) => {
      expect(spellDate(days)).toBe(new Date(days * MILLIS_PER_DAY).toISOString().slice(0, 10));
    }),
    { numRuns: 1_000 },
  );
});

test.each([
  [-1n, '1969-12-31 23:59:59.999999'],
  [0n, '1970-01-01 00:00:00'],
  [100_000n, '1970-01-01 00:00:00.1'],
  [-62_135_596_800_000_001n, '0001-12-31 23:59:59.999999 BC'],
  [9_223_372_036_825_200_000n, 'infinity'],
  [-9_223_372_036_832_400_000n, '-infinity'],
])('microsecond %d is the timestamp %s', (micros, text) => {
  expect(spellTimestamp(micros)).toBe(text);
});

test('what overflowed on the way is refused, not told as another time', () => {
  expect(() => spellTimestamp(-9_223_372_036_854_775_808n)).toThrow('overflowed');
  expect(() => spellDate(-2_147_483_648)).toThrow('overflowed');
});

test.each([
  ['2024-02-29T12:00:00.100000Z', '2024-02-29 12:00:00.1+00'],
  ['+10000-01-01T00:00:00Z', '10000-01-01 00:00:00+00'],
  ['-0043-03-15T12:00:00Z', '0044-03-15 12:00:00+00 BC'],
  ['infinity', 'infinity'],
  ['-infinity', '-infinity'],
])('%s of the connector is the timestamptz %s', (iso, text) => {
  expect(spellZonedTimestamp(iso)).toBe(text);
});
