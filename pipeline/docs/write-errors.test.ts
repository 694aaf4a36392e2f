import { expect, test } from 'vitest';
import { isErrorsPageCurrent } from './write-errors.ts';

test('the error manual says what the error codes say (npm run docs)', async () => {
  expect(await isErrorsPageCurrent()).toBe(true);
});
