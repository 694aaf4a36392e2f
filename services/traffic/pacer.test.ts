import { expect, test } from 'vitest';
import { runAtPace } from './pacer.ts';
import type { Outcome } from './shopper.ts';

const signal = () => new AbortController().signal;

test('stops after the number of actions that were answered, whatever else happened between', async () => {
  const script: Outcome[] = ['done', 'skipped', 'away', 'refused', 'done', 'away', 'done'];
  const seen: Outcome[] = [];
  await runAtPace({ rate: 1_000, limit: 40, signal: signal() }, async () => {
    const outcome = script[seen.length % script.length] ?? 'done';
    seen.push(outcome);
    return outcome;
  });
  expect(seen.filter((outcome) => outcome === 'done' || outcome === 'refused')).toHaveLength(40);
});

test('starts no more than 16 actions at once and goes on when one ends', async () => {
  const finish: (() => void)[] = [];
  let started = 0;
  const controller = new AbortController();
  const run = runAtPace({ rate: 5_000, limit: 0, signal: controller.signal }, async () => {
    started += 1;
    await new Promise<void>((resolve) => finish.push(resolve));
    return 'done';
  });
  await expect.poll(() => started).toBe(16);
  finish.shift()?.();
  await expect.poll(() => started).toBe(17);
  controller.abort();
  for (const end of finish) end();
  await run;
  expect(started).toBe(17);
});

test('pauses longer and longer while services are away, and picks up at once when they are back', async () => {
  let attempts = 0;
  const startedAt = performance.now();
  const at: number[] = [];
  await runAtPace({ rate: 1_000, limit: 20, signal: signal() }, async () => {
    attempts += 1;
    at.push(performance.now() - startedAt);
    return attempts <= 4 ? 'away' : 'done';
  });
  // 50 + 100 + 200 + 400 ms of pauses, then 20 actions at a millisecond each.
  expect(at[4]).toBeGreaterThan(700);
  expect((at.at(-1) ?? 0) - (at[4] ?? 0)).toBeLessThan(500);
  expect(attempts).toBe(24);
});

test('ends with the failure of an action that nobody foresaw', async () => {
  const run = runAtPace({ rate: 1_000, limit: 0, signal: signal() }, async () => {
    throw new Error('a bug');
  });
  await expect(run).rejects.toThrow('a bug');
});
