import { expect, test } from 'vitest';
import { Turnstile, TurnstileFull } from './turnstile.ts';

const forever = new AbortController().signal;

test('places are given in order, and too many are turned away', async () => {
  const turnstile = new Turnstile(1, 2);
  const leave = await turnstile.enter(forever);
  const order: string[] = [];
  const enter = async (name: string, signal = forever) => {
    const leaveAgain = await turnstile.enter(signal);
    order.push(name);
    leaveAgain();
  };
  const gone = new AbortController();
  const given = enter('gives up', gone.signal);
  const second = enter('second');
  await expect(turnstile.enter(forever)).rejects.toThrow(TurnstileFull);
  gone.abort();
  await expect(given).rejects.toThrow();
  const third = enter('third');
  leave();
  await Promise.all([second, third]);
  expect(order).toEqual(['second', 'third']);
});
