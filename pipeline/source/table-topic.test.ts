import fc from 'fast-check';
import { expect, test } from 'vitest';
import { matchesTable, parseTablePattern } from '../catalog/table-pattern.ts';
import { mayBeTopicOf, tableTopic } from './table-topic.ts';

const quoted = (name: string) => `"${name.replaceAll('"', '""')}"`;

test('the topic of each table that a pattern means is known as one, whatever its name', () => {
  const name = fc.oneof(
    fc.string({
      unit: fc.constantFrom(...Array.from('abAB_.-$^(é€😀 ')),
      minLength: 1,
      maxLength: 5,
    }),
    fc.string({ unit: 'grapheme', minLength: 1, maxLength: 5 }),
  );
  const piece = fc.oneof(fc.constantFrom('*', '?', 'a*', '*b', '?a', 'ab'), name.map(quoted));
  fc.assert(
    fc.property(piece, piece, name, name, fc.boolean(), (one, two, schema, table, exact) => {
      const pattern = parseTablePattern(
        exact ? `${quoted(schema)}.${quoted(table)}` : `${one}.${two}`,
      );
      fc.pre(matchesTable(pattern, { schema, table }));
      expect(mayBeTopicOf(tableTopic('erp', schema, table), 'erp', pattern)).toBe(true);
    }),
    { numRuns: 500 },
  );
});

test('the topics of other tables, and of other sources, are not', () => {
  const pattern = parseTablePattern('public.users');
  expect(
    [
      'erp.public.users',
      'erp.public.user',
      'erp.private.users',
      'crm.public.users',
      'erp.public.users2',
    ].map((topic) => mayBeTopicOf(topic, 'erp', pattern)),
  ).toEqual([true, false, false, false, false]);
});
