import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { watchEach } from './watch-each.ts';

test('all in turn, round after round, never in a burst, and an end that waits for no look', async () => {
  const stop = new AbortController();
  const began = performance.now();
  const looks: { item: number; at: number }[] = [];
  const items = [0, 1, 2, 3];
  let finish: () => void = () => undefined;
  const hanging = new Promise<void>((resolve) => (finish = resolve));
  const twoRounds = new Promise<void>((resolve) => {
    const watching = watchEach(items, { intervalMs: 10, signal: stop.signal }, async (item) => {
      looks.push({ item, at: performance.now() });
      if (looks.length < 2 * items.length) return;
      resolve();
      await hanging;
    });
    void watching.then(() => finish());
  });
  await twoRounds;
  stop.abort();
  await hanging;
  expect(looks.map(({ item }) => item)).toEqual([...items, ...items]);
  // The machine may be late, never early, but for the millisecond that timers may be.
  for (const [place, { at }] of looks.slice(0, items.length).entries()) {
    expect(at - began).toBeGreaterThan(place * 100 - 2);
  }
  const before = looks.length;
  await delay(200);
  expect(looks.length).toBe(before);
});
