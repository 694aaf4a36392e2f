import { expect, test } from 'vitest';
import { RateLimit } from './rate-limit.ts';

test('as often as allowed, then not until the window is over, each name for itself', () => {
  let now = 0;
  const limit = new RateLimit(2, 60_000, () => now);
  limit.count('a');
  expect(limit.waitSeconds('a')).toBe(0);
  now = 10_000;
  limit.count('a');
  expect(limit.waitSeconds('a')).toBe(50);
  expect(limit.waitSeconds('b')).toBe(0);
  now = 60_000;
  expect(limit.waitSeconds('a')).toBe(0);
  limit.count('a');
  expect(limit.waitSeconds('a')).toBe(0);
});

test('names without end take no memory without end', () => {
  const limit = new RateLimit(1, 60_000, () => 0);
  for (let name = 0; name <= 1_000; name += 1) limit.count(String(name));
  expect(limit.waitSeconds('0')).toBe(0);
  expect(limit.waitSeconds('1')).toBe(60);
});
