import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { gather } from './gather.ts';

test('the first ask goes at once, what comes meanwhile goes together, and each gets its own answer', async () => {
  const calls: number[][] = [];
  const square = gather(async (keys: readonly number[]) => {
    calls.push([...keys]);
    await nextTurn();
    if (keys.includes(13)) throw new Error('unlucky');
    return keys.map((key) => key * key);
  });
  expect(await Promise.all([2, 3, 4, 5].map(square))).toEqual([4, 9, 16, 25]);
  expect(calls).toEqual([[2], [3, 4, 5]]);

  const [first, ...others] = await Promise.allSettled([1, 13, 6].map(square));
  expect(first).toEqual({ status: 'fulfilled', value: 1 });
  expect(others.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  await Promise.all(Array.from({ length: 60 }, (_, key) => square(100 + key)));
  expect(calls.slice(-3).map(({ length }) => length)).toEqual([1, 50, 9]);
  // A failure is over with its call.
  expect(await square(7)).toBe(49);
});
