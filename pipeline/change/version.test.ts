import fc from 'fast-check';
import { expect, test } from 'vitest';
import { lsn } from './lsn.ts';
import { offset } from './offset.ts';
import { compareVersions, packVersion, type ChangeVersion, type Epoch } from './version.ts';

const anyVersion: fc.Arbitrary<ChangeVersion> = fc.record({
  epoch: fc.integer({ min: 0, max: 65_535 }).map((n) => n as Epoch),
  commitLsn: fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }).map(lsn),
  offset: fc.bigInt({ min: 0n, max: (1n << 48n) - 1n }).map(offset),
});
// Few distinct parts, so that ties in the higher parts are common.
const closeVersion: fc.Arbitrary<ChangeVersion> = fc.record({
  epoch: fc.integer({ min: 0, max: 1 }).map((n) => n as Epoch),
  commitLsn: fc.bigInt({ min: 0n, max: 2n }).map(lsn),
  offset: fc.bigInt({ min: 0n, max: 3n }).map(offset),
});
const version = fc.oneof(anyVersion, closeVersion);
const sign = (n: number) => Math.sign(n);

test('packed versions compare exactly as versions do and fit 128 bits', () => {
  fc.assert(
    fc.property(version, version, (a, b) => {
      const [x, y] = [packVersion(a), packVersion(b)];
      expect(x < y ? -1 : x > y ? 1 : 0).toBe(sign(compareVersions(a, b)));
      expect(x >= 0n && x < 1n << 128n).toBe(true);
    }),
  );
});

test('comparison is a total order', () => {
  fc.assert(
    fc.property(version, version, version, (a, b, c) => {
      expect(sign(compareVersions(a, b))).toBe(-sign(compareVersions(b, a)) + 0);
      expect(compareVersions(a, a)).toBe(0);
      if (compareVersions(a, b) <= 0 && compareVersions(b, c) <= 0) {
        expect(compareVersions(a, c)).toBeLessThanOrEqual(0);
      }
    }),
  );
});

test('a snapshot row never beats a change streamed after it, whatever their own LSNs', () => {
  fc.assert(
    fc.property(version, version, (base, later) => {
      const snapshotRow = { ...base, commitLsn: lsn(0n) };
      const streamed = { ...later, epoch: base.epoch, offset: offset(base.offset + 1n) };
      fc.pre(streamed.offset < 1n << 48n);
      expect(packVersion(snapshotRow) < packVersion(streamed)).toBe(true);
    }),
  );
});

test('a later epoch beats every position of an earlier one', () => {
  fc.assert(
    fc.property(version, version, (a, b) => {
      const next = { ...b, epoch: ((a.epoch + 1) % 65_536) as Epoch };
      fc.pre(next.epoch > a.epoch);
      expect(packVersion(a) < packVersion(next)).toBe(true);
    }),
  );
});

test('parts that do not fit are refused instead of spilling into the part above', () => {
  const base = { epoch: 0 as Epoch, commitLsn: lsn(0n), offset: offset(0n) };
  expect(() => packVersion({ ...base, offset: offset(1n << 48n) })).toThrow(RangeError);
  expect(() => packVersion({ ...base, epoch: 65_536 as Epoch })).toThrow(RangeError);
  expect(() => lsn(1n << 64n)).toThrow(RangeError);
});
