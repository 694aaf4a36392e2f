import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { maskOf, type MaskRule } from './mask.ts';
import {
  BadTablePattern,
  columnExcludeList,
  isCaptured,
  matchesTable,
  parseColumnPattern,
  parseTablePattern,
  tableIncludeList,
} from './table-pattern.ts';

const tables = (...texts: string[]) => texts.map(parseTablePattern);

/** What Debezium does with `table.include.list`: split at commas, trim, match the whole name. */
function debeziumIncludes(list: string, schema: string, table: string): boolean {
  return list
    .split(',')
    .map((regex) => regex.trim())
    .some((regex) => {
      // `(?-i)` switches off the case folding that Debezium switches on.
      const folds = !regex.startsWith('(?-i)');
      return new RegExp(`^(?:${regex.replace('(?-i)', '')})$`, folds ? 'iu' : 'u').test(
        `${schema}.${table}`,
      );
    });
}

/** A slow, obvious matcher to compare with. */
function wildcard(pattern: string, name: string): boolean {
  if (pattern === '') return name === '';
  const [head, tail] = [pattern[0], pattern.slice(1)];
  if (head === '*')
    return wildcard(tail, name) || (name !== '' && wildcard(pattern, name.slice(1)));
  return name !== '' && (head === '?' || head === name[0]) && wildcard(tail, name.slice(1));
}

const letters = (extra: string) =>
  fc.string({
    unit: fc.constantFrom(...Array.from(`abAB_${extra}`)),
    minLength: 1,
    maxLength: 7,
  });
const quoted = (name: string) => `"${name.replaceAll('"', '""')}"`;

describe('table patterns', () => {
  it('match as wildcards do, letter case and all', () => {
    fc.assert(
      fc.property(letters('*?'), letters(''), (pattern, name) => {
        const parsed = parseTablePattern(`public.${pattern}`);
        expect(matchesTable(parsed, { schema: 'public', table: name })).toBe(
          wildcard(pattern, name),
        );
      }),
    );
  });

  it('mean one table alone when its name is quoted, whatever characters it has', () => {
    const name = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(name, name, name, (schema, table, other) => {
        const pattern = parseTablePattern(`${quoted(schema)}.${quoted(table)}`);
        expect(matchesTable(pattern, { schema, table })).toBe(true);
        expect(matchesTable(pattern, { schema, table: other })).toBe(other === table);
      }),
    );
  });

  it('reach Debezium as regular expressions that match the same tables, commas, case and all', () => {
    const piece = fc.oneof(letters('*?'), letters(' ,"+$^()[]{}|\\').map(quoted));
    const pattern = fc.tuple(piece, piece).map(([schema, table]) => `${schema}.${table}`);
    const name = letters(' ,"+$^()[]{}|\\');
    const lists = fc.tuple(
      fc.array(pattern, { minLength: 1, maxLength: 3 }),
      fc.array(pattern, { maxLength: 2 }),
    );
    fc.assert(
      fc.property(lists, name, name, ([included, excluded], schema, table) => {
        const source = { tables: tables(...included), exclude: tables(...excluded) };
        expect(debeziumIncludes(tableIncludeList(source), schema, table)).toBe(
          isCaptured(source, { schema, table }),
        );
      }),
      { numRuns: 500 },
    );
  });

  it('of columns to drop reach Debezium as what the first matching line says', () => {
    const piece = fc.oneof(fc.constant('*'), letters('*?'), letters(' ,"+$^()').map(quoted));
    const rule = fc.record({
      pattern: fc.tuple(piece, piece, piece).map((parts) => parseColumnPattern(parts.join('.'))),
      how: fc.constantFrom<MaskRule['how']>('drop', 'keep', 'hash', 'redact'),
    });
    const name = letters(' ,"+$^()');
    fc.assert(
      fc.property(
        fc.array(rule, { maxLength: 4 }),
        name,
        name,
        name,
        (rules, schema, table, column) => {
          const list = columnExcludeList(rules);
          expect(list !== '' && debeziumIncludes(list, schema, `${table}.${column}`)).toBe(
            maskOf(rules, { schema, table, column }) === 'drop',
          );
        },
      ),
      { numRuns: 500 },
    );
  });

  it('render to what a person would write for the usual cases', () => {
    expect(tableIncludeList({ tables: tables('public.*', 'sales."a,b"'), exclude: [] })).toBe(
      String.raw`(?-i)public\..*,(?-i)sales\.a\u002cb`,
    );
    expect(
      tableIncludeList({ tables: tables('public.*'), exclude: tables('public.audit_?') }),
    ).toBe(String.raw`(?-i)(?!public\.audit_.$)public\..*`);
  });

  it.each([
    ['users', 'Write schema.table: public.users'],
    ['db.public.users', 'the database is in the url'],
    ['public.', 'double quotes'],
    ['public."half', 'double quotes'],
    ['public.a b', 'double quotes'],
    [' ', 'Write schema.table'],
  ])('refuse %j and say what to write', (text, fix) => {
    expect(() => parseTablePattern(text)).toThrow(BadTablePattern);
    try {
      parseTablePattern(text);
    } catch (error) {
      expect((error as BadTablePattern).fix).toContain(fix);
    }
  });
});
