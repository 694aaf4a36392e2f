import fc from 'fast-check';
import { expect, test } from 'vitest';
import { bigintText, date, jsonObject, positiveAmount, text, uuid } from './fields.ts';

test('takes every bigint from zero up as text and nothing beyond', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 2n ** 70n }), (value) => {
      expect(bigintText().safeParse(String(value)).success).toBe(value < 2n ** 63n);
    }),
  );
  for (const bad of ['', '-1', '1.0', '1e3', ' 1', '\u0661', 9_007_199, null]) {
    expect(bigintText().safeParse(bad).success).toBe(false);
  }
});

test('takes amounts that numeric(12,2) holds without rounding', () => {
  for (const good of ['0.01', '9999999999.99', '5', '5.5']) {
    expect(positiveAmount().parse(good)).toBe(good);
  }
  for (const bad of ['0', '0.00', '10000000000', '1.005', '-1', 'NaN', '.5', '1.', 5]) {
    expect(positiveAmount().safeParse(bad).success).toBe(false);
  }
});

test('refuses documents that PostgreSQL could not store, without running out of stack', () => {
  const nested = (depth: number) => JSON.parse(`${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`);
  expect(jsonObject().safeParse(nested(16)).success).toBe(true);
  expect(jsonObject().safeParse(nested(17)).success).toBe(false);
  expect(jsonObject().safeParse(nested(100_000)).success).toBe(false);
  for (const bad of [{ a: 'x\0' }, { 'k\0': 1 }, { a: ['\udc00'] }, [], null, 'x', 1]) {
    expect(jsonObject().safeParse(bad).success).toBe(false);
  }
  expect(jsonObject().safeParse({ a: 'x'.repeat(16_384) }).success).toBe(false);
  expect(jsonObject().safeParse({ a: '\u{1f600} \\u0000', b: [{ c: null }] }).success).toBe(true);
});

test('refuses text with NUL, days that do not exist, and uuids of the wrong shape', () => {
  expect(text(3).safeParse('a\0').success).toBe(false);
  expect(text(3).safeParse('abcd').success).toBe(false);
  expect(date().safeParse('2023-02-29').success).toBe(false);
  expect(date().safeParse('2024-02-29').success).toBe(true);
  expect(uuid().parse('00000000-0000-0000-0000-00000000ABCD')).toMatch(/abcd$/);
  expect(uuid().safeParse('00000000-0000-0000-0000-00000000ABCG').success).toBe(false);
});
