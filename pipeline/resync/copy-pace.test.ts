import fc from 'fast-check';
import { expect, test } from 'vitest';
import { RowBudget } from './copy-pace.ts';

test('however the rows come, no second has more of them than it may, but for the last that came', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 10_000 }),
      fc.array(fc.record({ rows: fc.nat(5_000), idleMs: fc.nat(3_000) }), { minLength: 1 }),
      (rowsPerSecond, reads) => {
        const budget = new RowBudget(rowsPerSecond);
        let now = 0;
        const read: { readonly at: number; readonly rows: number }[] = [];
        for (const { rows, idleMs } of reads) {
          now += idleMs;
          read.push({ at: now, rows });
          const wait = budget.take(rows, now);
          expect(wait).toBeGreaterThanOrEqual(0);
          now += wait;
        }
        for (const [index, first] of read.entries()) {
          let rows = 0;
          for (const { at, rows: more } of read.slice(index)) {
            // Those before it, in the time that has passed since.
            expect(rows).toBeLessThanOrEqual(((at - first.at) * rowsPerSecond) / 1_000 + 0.001);
            rows += more;
          }
        }
      },
    ),
  );
});

test('readers side by side share one budget', () => {
  const budget = new RowBudget(100);
  expect([budget.take(50, 0), budget.take(50, 0), budget.take(0, 400)]).toEqual([500, 1_000, 600]);
});
