import fc from 'fast-check';
import { expect, test } from 'vitest';
import { EpochTimeline, type EpochStart } from './epoch-timeline.ts';
import { offset, type Offset } from './offset.ts';
import { parseTransactionSnapshot, sees, transactionId } from './transaction-snapshot.ts';
import type { Epoch } from './version.ts';

const epoch = (value: number) => value as Epoch;
const at = (place: Record<number, number>): ReadonlyMap<number, Offset> =>
  new Map(
    Object.entries(place).map(([partition, value]) => [Number(partition), offset(BigInt(value))]),
  );

test('a snapshot sees what was committed before it, wherever the numbers of transactions go round', () => {
  fc.assert(
    fc.property(
      // Numbers have 64 bits in Postgres, 32 in the stream.
      fc.bigInt({ min: 1n << 31n, max: 1n << 40n }),
      fc.uniqueArray(fc.integer({ min: 1, max: 1_000 }), { maxLength: 10 }),
      fc.integer({ min: -1_000_000_000, max: 1_000_000_000 }),
      (xmax, before, distance) => {
        const underWay = before.map((back) => xmax - BigInt(back)).sort((a, b) => (a < b ? -1 : 1));
        const snapshot = parseTransactionSnapshot(
          `${underWay[0] ?? xmax}:${xmax}:${underWay.join(',')}`,
        );
        const id = xmax + BigInt(distance);
        expect(sees(snapshot, transactionId(id))).toBe(distance < 0 && !underWay.includes(id));
      },
    ),
  );
  for (const text of ['', '1', '1:2', 'a:b:', '1:2:3,']) {
    expect(() => parseTransactionSnapshot(text)).toThrow(RangeError);
  }
});

const copy = (number: number, from: number, until?: number): EpochStart => ({
  epoch: epoch(number),
  from: at({ 0: from }),
  snapshot: parseTransactionSnapshot('90:100:95'),
  until: until === undefined ? undefined : at({ 0: until }),
});
const place = (value: number, transaction: number | null, isSnapshot = false) => ({
  partition: 0,
  offset: offset(BigInt(value)),
  transaction: transaction === null ? null : transactionId(BigInt(transaction)),
  isSnapshot,
});

test('after a copy, transactions that it saw keep the epoch before, all others begin the new one', () => {
  const timeline = new EpochTimeline([copy(3, 10, 50)]);
  const epochs = (...places: ReturnType<typeof place>[]) => places.map((p) => timeline.epochOf(p));
  expect(epochs(place(9, 200), place(10, 99), place(11, 95), place(12, 100))).toEqual([0, 0, 3, 3]);
  // What a snapshot of the connector read is older; from `until` on nothing is.
  expect(epochs(place(13, 200, true), place(49, null), place(50, 99), place(51, 99, true))).toEqual(
    [0, 0, 3, 3],
  );
  // A partition that was added later has nothing from before the copy but what the copy saw.
  expect(timeline.epochOf({ ...place(0, 100), partition: 1 })).toBe(3);
});

test('where positions began anew, offsets alone decide, also for the epochs that follow', () => {
  const timeline = new EpochTimeline([
    copy(4, 30),
    { epoch: epoch(3), from: at({ 0: 20 }), snapshot: undefined, until: undefined },
    copy(1, 10, 15),
  ]);
  const of = (value: number, transaction: number) => timeline.epochOf(place(value, transaction));
  expect([of(9, 200), of(12, 99), of(12, 100), of(20, 1), of(30, 99), of(30, 101)]).toEqual([
    0, 0, 1, 3, 3, 4,
  ]);
  expect(timeline.base).toBe(3);
  expect(timeline.baseAt(0, offset(19n))).toBe(0);
});
