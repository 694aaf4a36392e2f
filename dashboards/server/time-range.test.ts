import { expect, test } from 'vitest';
import { BadTimeRange, bucketAt, parseTimeRange } from './time-range.ts';

const NOW = Date.UTC(2026, 2, 1, 12, 0, 30, 500);
const range = (query: string) => parseTimeRange(new URLSearchParams(query), NOW, '1h');

test('a span ends now and begins with a whole piece', () => {
  expect(range('')).toEqual({
    from: Date.UTC(2026, 2, 1, 11, 0),
    to: NOW,
    previousFrom: Date.UTC(2026, 2, 1, 9, 59, 29, 500),
    bucketSeconds: 60,
    isLive: true,
  });
});

test('a fixed time is taken as it is', () => {
  const fixed = range('from=2026-01-01T00:00:01Z&to=2026-01-08T00:00:00Z');
  expect(fixed).toMatchObject({
    from: Date.UTC(2026, 0, 1, 0, 0, 1),
    bucketSeconds: 10_800,
    isLive: false,
  });
});

test('a piece is a range of its own, cut at the end', () => {
  const piece = bucketAt(range(''), NOW - 5_000);
  expect([piece.from, piece.to]).toEqual([Date.UTC(2026, 2, 1, 12, 0), NOW]);
});

test.each([
  'range=2h',
  'range=toString',
  'from=2026-01-01',
  'from=b&to=a',
  'from=2026-01-02&to=2026-01-01',
  'from=1900-01-01&to=1900-01-02',
])('%s makes no sense', (query) => {
  expect(() => range(query)).toThrow(BadTimeRange);
});
