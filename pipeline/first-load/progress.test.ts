import { expect, test } from 'vitest';
import { describeProgress, paceOf, type LoadProgress } from './progress.ts';

const table = (rowsExpected: number, rowsCopied: number, isDone = false) => ({
  schema: 'public',
  table: 't',
  rowsExpected,
  rowsCopied,
  isDone,
});
const at = (elapsedMs: number, ...tables: LoadProgress['tables']): LoadProgress => ({
  source: 'erp',
  tables,
  elapsedMs,
});

test('a load says how far it is, how fast, and how long it will take', () => {
  expect(describeProgress(at(10_000, table(3_000_000, 1_000_000), table(10, 0, true)))).toBe(
    'erp  [########................]  33 %  1,000,000 of 3,000,000 rows, 1 of 2 tables  100,000 rows/s  0:00:20 left',
  );
  expect(describeProgress(at(5, table(100, 0)))).toContain('time left unknown');
});

test('what Postgres reckons may be too few or too many', () => {
  expect(paceOf(at(1_000, table(10, 50)))).toMatchObject({ share: 1, secondsLeft: 0 });
  expect(paceOf(at(1_000, table(100, 50, true)))).toMatchObject({ share: 1, expected: 50 });
  expect(paceOf(at(1_000, table(0, 0, true)))).toMatchObject({ share: 1, secondsLeft: 0 });
  expect(paceOf(at(1_000, table(0, 0)))).toMatchObject({ share: 0, secondsLeft: undefined });
});
