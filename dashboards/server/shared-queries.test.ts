import { expect, test } from 'vitest';
import { SharedQueries } from './shared-queries.ts';

const forever = new AbortController().signal;

/** A question whose answers the test gives. */
function question() {
  const asked: {
    answer: (value: string) => void;
    fail: (error: Error) => void;
    signal: AbortSignal;
  }[] = [];
  const run = async (signal: AbortSignal) =>
    new Promise<string>((resolve, reject) => {
      asked.push({ answer: resolve, fail: reject, signal });
      signal.addEventListener('abort', () => reject(signal.reason as Error));
    });
  return { asked, run };
}

test('all who ask while it runs wait for one query', async () => {
  const shared = new SharedQueries<string>();
  const { asked, run } = question();
  const viewers = Array.from({ length: 50 }, async () =>
    shared.get('a', run, new AbortController().signal),
  );
  const other = shared.get('b', run, forever);
  expect(asked).toHaveLength(2);
  asked[0]?.answer('one');
  asked[1]?.answer('two');
  expect(new Set(await Promise.all(viewers))).toEqual(new Set(['one']));
  expect(await other).toBe('two');
});

test('a result is good for a second, or for four times as long as it took', async () => {
  let now = 0;
  const shared = new SharedQueries<string>(() => now);
  const { asked, run } = question();
  const ask = async (takes: number) => {
    const result = shared.get('a', run, forever);
    now += takes;
    asked.at(-1)?.answer('x');
    await result;
  };
  await ask(10);
  now += 990;
  await shared.get('a', run, forever);
  expect(asked).toHaveLength(1);
  now += 20;
  await ask(5_000);
  expect(asked).toHaveLength(2);
  now += 19_000;
  await shared.get('a', run, forever);
  expect(asked).toHaveLength(2);
  now += 2_000;
  await ask(1);
  expect(asked).toHaveLength(3);
});

test('one who goes does not disturb the others; when the last goes it is cancelled', async () => {
  const shared = new SharedQueries<string>();
  const { asked, run } = question();
  const [first, second] = [new AbortController(), new AbortController()];
  const results = [shared.get('a', run, first.signal), shared.get('a', run, second.signal)];
  const settled = Promise.allSettled(results);
  first.abort();
  await expect(results[0]).rejects.toThrow();
  expect(asked[0]?.signal.aborted).toBe(false);
  second.abort();
  await settled;
  expect(asked[0]?.signal.aborted).toBe(true);
  const again = shared.get('a', run, forever);
  asked[1]?.answer('anew');
  expect(await again).toBe('anew');
});

test('a failure is told to all, and kept for a while', async () => {
  let now = 0;
  const shared = new SharedQueries<string>(() => now);
  const { asked, run } = question();
  const results = [shared.get('a', run, forever), shared.get('a', run, forever)];
  asked[0]?.fail(new Error('no'));
  for (const { status } of await Promise.allSettled(results)) expect(status).toBe('rejected');
  await expect(shared.get('a', run, forever)).rejects.toThrow('no');
  expect(asked).toHaveLength(1);
  now += 1_001;
  const again = shared.get('a', run, forever);
  asked[1]?.answer('yes');
  expect(await again).toBe('yes');
});
