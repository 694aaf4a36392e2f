import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  cutRange,
  differingKeys,
  FIRST_ROWS,
  keyId,
  nextRows,
  type Key,
  type KeyRange,
  type RowHash,
} from './key-range.ts';

const number = fc.integer({ min: -50, max: 50 });
const range: fc.Arbitrary<KeyRange> = fc
  .tuple(fc.option(number), fc.option(number))
  .map(([after, upTo]) => ({
    ...(after === null ? {} : { after: [String(after)] }),
    ...(upTo === null ? {} : { upTo: [String(upTo)] }),
  }));

function holds({ after, upTo }: KeyRange, key: number): boolean {
  return (
    (after === undefined || key > Number(after[0])) &&
    (upTo === undefined || key <= Number(upTo[0]))
  );
}

test('a range that is cut covers the same keys, each once, however often it is cut', () => {
  fc.assert(
    fc.property(range, fc.array(number), fc.array(number), number, (whole, first, second, key) => {
      const cut = (piece: KeyRange, at: readonly number[]) =>
        cutRange(
          piece,
          [...new Set(at)]
            .filter((place) => holds(piece, place) && String(place) !== piece.upTo?.[0])
            .sort((a, b) => a - b)
            .map((place): Key => [String(place)]),
        );
      const pieces = cut(whole, first).flatMap((piece) => cut(piece, second));
      expect(pieces.filter((piece) => holds(piece, key))).toHaveLength(holds(whole, key) ? 1 : 0);
    }),
  );
});

test('exactly the rows that one side lacks or has otherwise are named', () => {
  const row = fc.record({
    key: fc.tuple(fc.string(), fc.constantFrom('', '"', ',')),
    hash: fc.constantFrom('1', '2'),
  });
  const rows = fc.uniqueArray<RowHash, string>(row, { selector: ({ key }) => keyId(key) });
  fc.assert(
    fc.property(rows, rows, (source, warehouse) => {
      const hashes = (list: readonly RowHash[]) =>
        new Map(list.map(({ key, hash }) => [keyId(key), hash]));
      const [a, b] = [hashes(source), hashes(warehouse)];
      const expected = [...new Set([...a.keys(), ...b.keys()])].filter(
        (id) => a.get(id) !== b.get(id),
      );
      expect(differingKeys(source, warehouse).map(keyId).sort()).toEqual(expected.sort());
    }),
  );
});

test('reads settle at the size that takes 200 ms, within their bounds', () => {
  fc.assert(
    fc.property(fc.double({ min: 0.0001, max: 100, noNaN: true }), (msPerRow) => {
      let rows = FIRST_ROWS;
      for (let read = 0; read < 20; read += 1) rows = nextRows(rows, rows * msPerRow);
      expect(rows).toBe(Math.min(Math.max(Math.round(200 / msPerRow), 10), 16_384));
    }),
  );
});
