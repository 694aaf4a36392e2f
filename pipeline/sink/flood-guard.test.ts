import { expect, test } from 'vitest';
import { TributaryError } from '#runtime/errors.ts';
import { offset } from '../change/offset.ts';
import type { DeadLetter } from './dead-letter.ts';
import { guardAgainstFlood } from './flood-guard.ts';

const never = new AbortController().signal;

test('the letter above the limit is refused, of its topic alone, until the window has moved on', async () => {
  let now = 0;
  const written: string[] = [];
  const queue = guardAgainstFlood(
    {
      write: async ({ record }: DeadLetter) => {
        written.push(`${now}:${record.topic}`);
      },
    },
    { letters: 2, windowMs: 1_000 },
    () => now,
  );
  const write = (topic: string) =>
    queue.write(
      {
        record: { topic, partition: 0, offset: offset(0n), key: null, value: null },
        error: new TributaryError('RECORD_MALFORMED', 'bad'),
      },
      never,
    );
  const refused = (topic: string) =>
    expect(write(topic)).rejects.toMatchObject({ code: 'DEAD_LETTER_FLOOD' });

  await write('a');
  now = 600;
  await write('a');
  await refused('a');
  await write('b');
  now = 999;
  await refused('a');
  now = 1_000;
  await write('a');
  await refused('a');
  expect(written).toEqual(['0:a', '600:a', '600:b', '1000:a']);
});
