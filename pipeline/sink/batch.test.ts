import fc from 'fast-check';
import { expect, test } from 'vitest';
import { stampOf } from '../change/change-stamp.ts';
import { offset } from '../change/offset.ts';
import { FIRST_EPOCH } from '../change/version.ts';
import type { TablePlan } from '../transform/table-plan.ts';
import { deduplicationToken, lastOffsets, nextBatch, recordBytes, type Work } from './batch.ts';

const plans = [0, 1].map((schemaId): TablePlan => ({
  source: 's',
  schema: 'public',
  table: 't',
  relation: 't',
  columns: [],
  row: { type: 'record', fields: [] },
  isKeyless: false,
  gone: new Set<string>(),
  isDropped: () => false,
  isInContract: () => false,
  schemaId,
}));

const stamp = stampOf(
  {
    kind: 'truncate',
    origin: {
      schema: 'public',
      table: 't',
      commitLsn: null,
      transaction: null,
      lsn: null,
      committedAtMicros: 0n,
    },
  },
  { partition: 0, offset: offset(0n) },
  FIRST_EPOCH,
);

const work: fc.Arbitrary<Work[]> = fc
  .array(
    fc.record({
      kind: fc.constantFrom('row', 'row', 'row', 'skip', 'truncate'),
      plan: fc.constantFrom(0, 0, 0, 1),
      partition: fc.nat(2),
      bytes: fc.nat(40),
    }),
    { maxLength: 60 },
  )
  .map((items) =>
    items.map(({ kind, plan, partition, bytes }, index): Work => {
      const record = {
        topic: 's.public.t',
        partition,
        offset: offset(BigInt(index)),
        key: null,
        value: Buffer.alloc(bytes),
      };
      if (kind === 'skip') return { kind, record };
      if (kind === 'truncate')
        return { kind, record, table: { source: 's', relation: 't' }, own: [] };
      return {
        kind: 'row',
        record,
        plan: plans[plan] as TablePlan,
        rows: [],
        stamp,
        committedAtMicros: undefined,
      };
    }),
  );
const limits = fc.record({
  maxRows: fc.integer({ min: 1, max: 10 }),
  maxBytes: fc.integer({ min: 1, max: 120 }),
});

test('batches take everything once, in order, within their bounds, one plan each', () => {
  fc.assert(
    fc.property(work, limits, (queue, bounds) => {
      const taken: Work[] = [];
      let rest: readonly Work[] = queue;
      while (rest.length > 0) {
        const batch = nextBatch(rest, bounds);
        expect(batch.work.length).toBeGreaterThan(0);
        const rows = batch.work.filter((item) => item.kind === 'row');
        expect(rows.length).toBeLessThanOrEqual(bounds.maxRows);
        expect(new Set(rows.map((item) => item.plan)).size).toBeLessThanOrEqual(1);
        const bytes = rows.reduce((sum, item) => sum + recordBytes(item.record), 0);
        expect(rows.length === 1 || bytes <= bounds.maxBytes).toBe(true);
        expect(
          batch.work.length === 1 || batch.work.every((item) => item.kind !== 'truncate'),
        ).toBe(true);
        taken.push(...batch.work);
        rest = rest.slice(batch.work.length);
      }
      expect(taken).toEqual(queue);
    }),
  );
});

test('the offsets to acknowledge are the last of each partition', () => {
  fc.assert(
    fc.property(work, (items) => {
      const last = lastOffsets(items);
      for (const { record } of items) {
        expect(record.offset <= (last.get(record.partition) ?? -1n)).toBe(true);
      }
      expect(last.size).toBe(new Set(items.map((item) => item.record.partition)).size);
    }),
  );
});

test('a repeated insert has the same token, a part of it another', () => {
  fc.assert(
    fc.property(work, fc.nat(), (items, at) => {
      expect(deduplicationToken(items)).toBe(deduplicationToken([...items]));
      fc.pre(items.length > 1);
      const part = items.slice(0, 1 + (at % (items.length - 1)));
      expect(deduplicationToken(part)).not.toBe(deduplicationToken(items));
    }),
  );
});
