import fc from 'fast-check';
import { expect, test } from 'vitest';
import { publishNames, type CatalogColumn, type KnownColumn } from './published-names.ts';

const NONE = new Map<string, string>();

/** What is remembered after learning. */
function after(known: readonly KnownColumn[], learned: readonly KnownColumn[]): KnownColumn[] {
  return [...new Map([...known, ...learned].map((column) => [column.number, column])).values()];
}

test('a rename keeps the published name; drop and add does not', () => {
  const first: CatalogColumn[] = [
    { number: 1, name: 'id', type: 'bigint' },
    { number: 2, name: 'email', type: 'text' },
  ];
  const seen = publishNames(['id', 'email'], NONE, [], first);
  expect(Object.fromEntries(seen.names)).toEqual({ id: 'id', email: 'email' });
  const known = after([], seen.learned);
  const later = [
    { number: 1, name: 'id', type: 'bigint' },
    { number: 2, name: 'primary_email', type: 'text' },
    { number: 3, name: 'secondary_email', type: 'text' },
  ];
  const renamed = publishNames(['id', 'primary_email', 'secondary_email'], NONE, known, later);
  expect(Object.fromEntries(renamed.names)).toEqual({
    id: 'id',
    primary_email: 'email',
    secondary_email: 'secondary_email',
  });
  expect(renamed.notes).toEqual(['column email is called primary_email now']);
  // Records from before the rename that come afterwards.
  expect(publishNames(['id', 'email'], NONE, known, later).names.get('email')).toBe('email');
  // Another process, which finds the memory as it is now, and no reason to ask.
  const now = after(known, renamed.learned);
  expect(publishNames(['primary_email'], NONE, now, undefined).names.get('primary_email')).toBe(
    'email',
  );
  // A new column takes the old name at the source: in the warehouse it is taken.
  const again = [...later, { number: 4, name: 'email', type: 'text' }];
  expect(
    Object.fromEntries(publishNames(['primary_email', 'email'], NONE, now, again).names),
  ).toEqual({ primary_email: 'email', email: 'email_' });

  const dropped = publishNames(['id'], NONE, known, first.slice(0, 1));
  expect([...dropped.gone]).toEqual(['email']);
  expect(dropped.notes).toEqual(['column email is gone']);
  expect([...publishNames(['id'], NONE, after(known, dropped.learned), undefined).gone]).toEqual([
    'email',
  ]);
  // Records from before it was dropped still have it.
  expect(
    publishNames(['id', 'email'], NONE, after(known, dropped.learned), undefined).gone.size,
  ).toBe(0);

  const replaced = [first[0], { number: 3, name: 'phone', type: 'text' }].flatMap((c) => c ?? []);
  expect(publishNames(['id', 'phone'], NONE, known, replaced).names.get('phone')).toBe('phone');
});

test('a declared name is for the successor, not while its predecessor is there', () => {
  const declared = new Map([['email', 'primary_email']]);
  expect(publishNames(['primary_email'], declared, [], undefined).names.get('primary_email')).toBe(
    'email',
  );
  expect(
    Object.fromEntries(publishNames(['email', 'primary_email'], declared, [], undefined).names),
  ).toEqual({ email: 'email', primary_email: 'primary_email' });
});

test('a changed type is told once', () => {
  const known = [{ number: 2, name: 'n', published: 'n', type: 'integer', isGone: false }];
  const now = [{ number: 2, name: 'n', type: 'bigint' }];
  const changed = publishNames(['n'], NONE, known, now);
  expect(changed.rewrites).toEqual(['the type of column n was changed, which may rewrite values']);
  expect(publishNames(['n'], NONE, after(known, changed.learned), now)).toMatchObject({
    rewrites: [],
    notes: [],
    learned: [],
  });
});

test('a column that is added with a default has values in old rows', () => {
  const known = [{ number: 1, name: 'id', published: 'id', type: 'int', isGone: false }];
  const id = { number: 1, name: 'id', type: 'int', hasDefault: true };
  const added = { number: 2, name: 'n', type: 'int', hasDefault: true };
  const rewrites = (before: readonly KnownColumn[], columns: readonly CatalogColumn[]) =>
    publishNames(
      columns.map(({ name }) => name),
      NONE,
      before,
      columns,
    ).rewrites;
  expect(rewrites(known, [id, added])).toEqual([
    'column n was added with a default, which old rows have too',
  ]);
  expect(rewrites(known, [id, { ...added, hasDefault: false }])).toEqual([]);
  // A table that is new: its rows come with all columns.
  expect(rewrites([], [id, added])).toEqual([]);
});

test('through any sequence of renames, drops and adds no two columns share a name and none changes it', () => {
  const steps = fc.array(
    fc.record({
      kind: fc.constantFrom('add', 'rename', 'drop'),
      at: fc.nat(3),
      name: fc.constantFrom('a', 'b', 'c', 'd'),
    }),
    { maxLength: 12 },
  );
  fc.assert(
    fc.property(steps, (life) => {
      let columns: CatalogColumn[] = [{ number: 1, name: 'id', type: 'int' }];
      let known: KnownColumn[] = [];
      let number = 1;
      const published = new Map<number, string>();
      for (const { kind, at, name } of life) {
        const isFree = columns.every((column) => column.name !== name);
        if (kind === 'add' && isFree) {
          number += 1;
          columns = [...columns, { number, name, type: 'int' }];
        } else if (kind === 'rename' && isFree) {
          columns = columns.map((column, index) =>
            index === at + 1 ? { ...column, name } : column,
          );
        } else if (kind === 'drop') {
          columns = columns.filter((_, index) => index !== at + 1);
        }
        const { names, learned } = publishNames(
          columns.map((column) => column.name),
          NONE,
          known,
          columns,
        );
        expect(new Set(names.values()).size).toBe(columns.length);
        for (const column of columns) {
          const now = names.get(column.name) ?? '';
          expect(published.get(column.number) ?? now).toBe(now);
          published.set(column.number, now);
        }
        known = after(known, learned);
      }
    }),
  );
});
