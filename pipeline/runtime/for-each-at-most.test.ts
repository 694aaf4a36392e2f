import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { forEachAtMost } from './for-each-at-most.ts';

test('every item once, in order, never more at once, and none after the signal', async () => {
  const stop = new AbortController();
  const begun: number[] = [];
  let running = 0;
  let most = 0;
  await forEachAtMost(
    3,
    Array.from({ length: 20 }, (_, item) => item),
    async (item) => {
      begun.push(item);
      running += 1;
      most = Math.max(most, running);
      await nextTurn();
      running -= 1;
      if (item === 10) stop.abort();
    },
    stop.signal,
  );
  expect(most).toBe(3);
  expect(begun).toEqual(Array.from({ length: begun.length }, (_, item) => item));
  expect(begun.length).toBeGreaterThan(10);
  expect(begun.length).toBeLessThan(14);
});
