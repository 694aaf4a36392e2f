import { expect, test } from 'vitest';
import type { LoadStatus } from '../../pipeline/first-load/load-ledger.ts';
import { describeLoads } from './describe-loads.ts';

const load: LoadStatus = {
  source: 'erp',
  state: 'copying',
  slotLsn: '0/1',
  readAt: null,
  reason: '',
  startedAt: 0,
  heardAt: 10_000,
  tables: [
    { schema: 'public', table: 'a', rowsExpected: 900, rowsCopied: 500, isDone: false },
    { schema: 'public', table: 'b', rowsExpected: 90, rowsCopied: 100, isDone: true },
  ],
};

test('a load says how far it is, and what to do when it stands still', () => {
  const far =
    'erp  [##############..........]  60 %  600 of 1,000 rows, 1 of 2 tables  60 rows/s  0:00:07 left';
  expect(describeLoads([load], new Map(), 10_500)).toEqual([far]);
  expect(describeLoads([load], new Map([['erp', 10_000]]), 14_000)).toEqual([
    `${far}  paused for 4 s; its slot keeps the log meanwhile`,
    '  → tributary first-load resume erp',
  ]);
  expect(describeLoads([load], new Map(), 60_000)).toEqual([
    `${far}  nobody is at it`,
    '  → tributary connectors apply, or up: copies erp anew',
  ]);
  expect(describeLoads([{ ...load, state: 'copied' }], new Map(), 60_000).join('\n')).toContain(
    'makes its connector',
  );
});
