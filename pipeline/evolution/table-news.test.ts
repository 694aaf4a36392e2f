import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { SourceTables, TableFacts } from './table-facts.ts';
import { reviewTables, type KnownTable } from './table-news.ts';

const facts = (oid: number, parts: Partial<TableFacts> = {}): TableFacts => ({
  oid,
  schema: 'public',
  table: `t${oid}`,
  partitions: [],
  attached: [],
  labels: {},
  ...parts,
});
const tables = (
  published: readonly TableFacts[],
  others: readonly number[] = [],
): SourceTables => ({
  published,
  existing: new Set([...published.map(({ oid }) => oid), ...others]),
});

/** What is known after a look, by table. */
function remember(known: readonly KnownTable[], learned: readonly KnownTable[]): KnownTable[] {
  return [...new Map([...known, ...learned].map((table) => [table.oid, table])).values()];
}

const after = (before: SourceTables, now: SourceTables) => {
  const { learned } = reviewTables([], before);
  return reviewTables(learned, now).news.map(
    ({ table, change, needsResync }) => `${table}: ${change}${needsResync ? ' !' : ''}`,
  );
};

test('what is there when a source is first seen is no news, and neither is what stays as it was', () => {
  const now = tables([facts(1, { partitions: [7], labels: { 9: 'low' } }), facts(2)]);
  expect(reviewTables([], now).news).toEqual([]);
  const { learned } = reviewTables([], now);
  expect(reviewTables(learned, now)).toEqual({ news: [], learned: [] });
});

test.each<[string, SourceTables, SourceTables, string[]]>([
  ['joins', tables([facts(1)]), tables([facts(1), facts(2)]), ['t2: table joined the source !']],
  [
    'is made anew under its name',
    tables([facts(1, { table: 'a' })]),
    tables([facts(2, { table: 'a' })]),
    ['a: table joined the source !', 'a: table was dropped; what the warehouse has of it stays'],
  ],
  [
    'is renamed',
    tables([facts(1, { table: 'a' })]),
    tables([facts(1, { table: 'b' })]),
    [
      'a: table is called public.b now; what it held stays here as it was',
      'b: table was called public.a !',
    ],
  ],
  [
    'is no longer published',
    tables([facts(1), facts(2)]),
    tables([facts(1)], [2]),
    ['t2: table is no longer captured; what the warehouse has of it stays'],
  ],
  ['gets a new partition', tables([facts(1)]), tables([facts(1, { partitions: [5] })]), []],
  [
    'has a partition attached',
    tables([facts(1)]),
    tables([facts(1, { partitions: [5], attached: [5] })]),
    ['t1: a partition was attached, which may have rows !'],
  ],
  [
    'loses a partition',
    tables([facts(1, { partitions: [5, 6], attached: [5] })]),
    tables([facts(1, { partitions: [5], attached: [5] })]),
    ['t1: a partition was detached or dropped !'],
  ],
  [
    'has a label renamed',
    tables([facts(1, { labels: { 5: 'low' } })]),
    tables([facts(1, { labels: { 5: 'lower' } })]),
    ['t1: a label of an enum was renamed !'],
  ],
  [
    'has a label added, a column of an enum dropped',
    tables([facts(1, { labels: { 5: 'low' } })]),
    tables([facts(1, { labels: { 6: 'x' } })]),
    [],
  ],
])('a table %s', (_what, before, now, news) => {
  expect(after(before, now)).toEqual(news);
});

test('whatever happens, it is told once', () => {
  const table = fc.record({
    oid: fc.integer({ min: 1, max: 4 }),
    table: fc.constantFrom('a', 'b', 'c'),
    partitions: fc.uniqueArray(fc.integer({ min: 10, max: 12 })),
    labels: fc.dictionary(fc.constantFrom('20', '21'), fc.constantFrom('low', 'high')),
  });
  const look = fc
    .uniqueArray(table, { selector: ({ oid }) => oid, maxLength: 4 })
    .map((found) =>
      tables(found.map((one) => facts(one.oid, { ...one, attached: one.partitions }))),
    );
  fc.assert(
    fc.property(fc.array(look, { minLength: 1, maxLength: 6 }), (looks) => {
      let known: KnownTable[] = [];
      for (const now of looks) {
        known = remember(known, reviewTables(known, now).learned);
        expect(reviewTables(known, now)).toEqual({ news: [], learned: [] });
      }
    }),
  );
});
