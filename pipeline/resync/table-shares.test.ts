import fc from 'fast-check';
import { expect, test } from 'vitest';
import { inShare, sharesOf } from './table-shares.ts';

test('whatever the size of a table, each block is in exactly one share, also those appended since', () => {
  fc.assert(
    fc.property(
      fc.nat(1_000),
      fc.integer({ min: 1, max: 200 }),
      fc.nat(2_000),
      (blocks, perShare, block) => {
        const holding = sharesOf(blocks, perShare).filter(
          ({ from, to }) => (from ?? 0) <= block && block < (to ?? Infinity),
        );
        expect(holding).toHaveLength(1);
      },
    ),
  );
});

test('a share is a range of rows as they lie on disk', () => {
  expect(sharesOf(25, 10).map(inShare)).toEqual([
    "ctid < '(10,0)'",
    "ctid >= '(10,0)' AND ctid < '(20,0)'",
    "ctid >= '(20,0)'",
  ]);
  expect(sharesOf(0, 10).map(inShare)).toEqual(['true']);
});
