import fc from 'fast-check';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { uuid } from './fields.ts';
import { decodeCursor, encodeCursor, idList, MAX_PAGE, pageOf, timestampKey } from './page.ts';
import { Problem } from './problem.ts';

test('gives the sort key back that a cursor was made of', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), fc.string(), (first, second) => {
      const cursor = encodeCursor([first, second]);
      expect(cursor).toMatch(/^[\w-]*$/);
      expect(decodeCursor(cursor, z.string(), z.string())).toEqual([first, second]);
    }),
  );
  expect(decodeCursor(undefined, z.string(), z.string())).toEqual([null, null]);
});

test('refuses cursors of another list as a bad request', () => {
  const strangers = [
    '',
    'x',
    '====',
    encodeCursor(['2026-01-01T00:00:00Z']),
    encodeCursor(['a', 'b']),
  ];
  for (const cursor of strangers) {
    expect(() => decodeCursor(cursor, timestampKey(), uuid())).toThrow(Problem);
  }
});

test('names a next page only when there is one', () => {
  const page = pageOf(['a', 'b', 'c'], 2, (item) => [item]);
  expect(page.items).toEqual(['a', 'b']);
  expect(page.next_cursor).toBe(encodeCursor(['b']));
  expect(pageOf(['a', 'b'], 2, (item) => [item]).next_cursor).toBeNull();
  expect(pageOf([], 2, () => []).next_cursor).toBeNull();
});

test('bounds a bulk read and reads each id once', () => {
  const id = '00000000-0000-0000-0000-00000000000a';
  expect(idList().parse(`${id},${id.toUpperCase()}`)).toEqual([id]);
  expect(
    idList().safeParse(
      Array(MAX_PAGE + 1)
        .fill(id)
        .join(','),
    ).success,
  ).toBe(false);
  expect(idList().safeParse('').success).toBe(false);
});
