import { expect, test } from 'vitest';
import { remembered } from './remembered.ts';

test('who asks meanwhile gets the same reading, and none that is too old or has failed', async () => {
  let readings = 0;
  const read = async () => {
    readings += 1;
    if (readings === 2) throw new Error('no answer');
    return readings;
  };
  const lasting = remembered(Infinity, read);
  expect(await Promise.all([lasting(), lasting()])).toEqual([1, 1]);
  expect(await lasting()).toBe(1);

  const failing = remembered(Infinity, read);
  await expect(failing()).rejects.toThrow('no answer');
  expect(await failing()).toBe(3);

  const aged = remembered(0, read);
  expect([await aged(), await aged()]).toEqual([4, 5]);
});
