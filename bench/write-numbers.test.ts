import { expect, test } from 'vitest';
import { readmeWithNumbers } from './write-numbers.ts';

test('README says what the recorded benches say (npm run docs)', async () => {
  const { now, wanted } = await readmeWithNumbers();
  expect(now).toBe(wanted);
});
