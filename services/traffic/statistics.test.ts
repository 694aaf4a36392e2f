import { expect, test } from 'vitest';
import { describeStatistics, Statistics } from './statistics.ts';

test('counts everything, and speaks of the last ten seconds', () => {
  let now = 0;
  const statistics = new Statistics(() => now);
  const place = {
    kind: 'place-order',
    user: 0,
    lines: [],
    gift: false,
    note: null,
    method: 'card',
    declined: false,
  } as const;
  for (let index = 1; index <= 100; index += 1) statistics.note(place, 'done', 1_000);
  now = 20_000;
  for (let index = 1; index <= 100; index += 1) statistics.note(place, 'done', index);
  statistics.note({ kind: 'browse', user: 0 }, 'refused', 5_000);
  statistics.note(place, 'away', 9_000);
  expect(statistics.counts()).toEqual({ done: 200, refused: 1, away: 1, skipped: 0 });
  expect(statistics.recent()).toEqual({ actions: 10.1, orders: 10, p50: 51, p99: 100 });
  expect(describeStatistics(statistics)).toBe(
    '10.1 actions/s   10.0 orders/s placed in p50 51 ms, p99 100 ms   200 done   1 refused   1 failed',
  );
});
