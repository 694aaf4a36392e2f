import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { classify, normalized, type Comparison, type Judgement } from './classify.ts';
import type { Change, History, Texts } from './row-history.ts';

const ALLOWED = 1_000;
const NOW = 1_000_000;

function change(at: number, texts: Texts | undefined, op?: string): Change {
  return { at, transaction: at, texts, op: op ?? (texts === undefined ? 'delete' : 'update') };
}

/** A row whose every value is known, the first from an insert. */
function history(...values: [number, string | null | undefined][]): History {
  return values.map(([at, value], index) =>
    change(at, value === undefined ? undefined : [value], index === 0 ? 'insert' : undefined),
  );
}

/** The same, but for what was before the first change. */
function snapshot(...values: [number, string | null | undefined][]): History {
  return history(...values).map((one, index) => (index === 0 ? { ...one, op: 'snapshot' } : one));
}

function compare(copy: History, owner: History, rest: Partial<Comparison> = {}) {
  const state = (rows: History) => ({
    now: rows.at(-1)?.texts,
    stored: rows.at(-1)?.texts,
    history: rows,
  });
  return classify({
    copy: state(copy),
    owner: state(owner),
    normalize: [[]],
    allowedStalenessMs: ALLOWED,
    orphansAllowed: false,
    complete: false,
    readAt: NOW,
    sameSince: NOW,
    ...rest,
  });
}

function field(copy: History, owner: History, rest: Partial<Comparison> = {}): Judgement {
  const { row, fields } = compare(copy, owner, rest);
  expect(row).toBe('agrees');
  return fields[0] ?? 'agrees';
}

describe('a field', () => {
  const owner = history([10, 'a'], [20, 'b'], [30, 'c']);

  test('that missed a change names the change', () => {
    expect(field(history([11, 'a'], [21, 'b']), owner)).toEqual({
      kind: 'missed update',
      ownerChangedAt: 30,
      copyChangedAt: 21,
      missed: owner[2],
    });
    // Two of them: the first is what to look for.
    expect(field(history([11, 'a']), owner)).toMatchObject({ missed: owner[1] });
    // One that came long after, which is no news of the owner's.
    expect(field(history([11, 'a'], [900_000, 'b']), owner)).toMatchObject({
      kind: 'missed update',
      missed: owner[2],
    });
  });

  test('that had the value and gave it up was written locally, whatever it holds now', () => {
    for (const value of ['x', 'a', null]) {
      const copy = history([11, 'a'], [21, 'b'], [31, 'c'], [50, value]);
      expect(field(copy, owner)).toMatchObject({ kind: 'written locally', copyChangedAt: 50 });
    }
  });

  test('that holds what the owner never had was written locally', () => {
    expect(field(history([11, 'a'], [50, 'x']), owner)).toMatchObject({ kind: 'written locally' });
    expect(field(history([50, 'x']), owner)).toMatchObject({ kind: 'written locally' });
    const known = snapshot([10, 'a'], [20, 'b']);
    expect(field(snapshot([10, 'a'], [5_000, 'x']), known)).toMatchObject({
      kind: 'written locally',
    });
  });

  test('that differed before the log began is not explained', () => {
    expect(field(snapshot([10, 'x']), snapshot([10, 'a']))).toMatchObject({
      kind: 'unexplained',
      ownerChangedAt: undefined,
    });
    // An old event may have come just after.
    expect(field(snapshot([10, 'a'], [500, 'x']), snapshot([10, 'a'], [20, 'b']))).toMatchObject({
      kind: 'unexplained',
    });
  });

  test('that was not filled in at once misses an update all the same', () => {
    expect(field(history([11, null]), owner)).toMatchObject({
      kind: 'missed update',
      missed: owner[0],
    });
    expect(field(history([11, null], [21, 'b']), owner)).toMatchObject({ missed: owner[2] });
    // A transaction may write a row more than once.
    const steps = history([11, 'x'], [11, 'y'], [11, 'a']).map((one) => ({
      ...one,
      transaction: 5,
    }));
    expect(field(steps, owner)).toMatchObject({ kind: 'missed update', missed: owner[1] });
  });

  test('of an owner who went back to an older value missed that', () => {
    const back = history([10, 'a'], [20, 'b'], [30, 'a']);
    expect(field(history([11, 'a'], [40, 'b']), back)).toMatchObject({
      kind: 'missed update',
      missed: back[2],
    });
  });

  test('is in flight while the owner changed lately, or the copy has just been made', () => {
    const late = history([10, 'a'], [NOW - ALLOWED + 1, 'b']);
    expect(field(history([11, 'a']), late)).toBe('in flight');
    expect(field(history([11, 'a'], [NOW - 1, 'x']), late)).toBe('in flight');
    expect(field(history([NOW - 1, 'a']), owner)).toBe('in flight');
    const due = history([10, 'a'], [NOW - ALLOWED, 'b']);
    expect(field(history([11, 'a']), due)).toMatchObject({ kind: 'missed update' });
    // Another field's change is not this one's.
    const other = [
      change(10, ['a', '1'], 'insert'),
      change(20, ['b', '1']),
      change(NOW, ['b', '2']),
    ];
    const copy = [change(11, ['a', '1'], 'insert')];
    const { fields } = compare(copy, other, { normalize: [[], []] });
    expect(fields).toMatchObject([{ kind: 'missed update' }, 'in flight']);
  });

  test('of which the warehouse does not know enough is looked at again, but not for ever', () => {
    const copy = history([11, 'a']);
    const behind = { now: ['c'], stored: ['a'], history: history([10, 'a']) };
    expect(field(copy, [], { owner: behind })).toBe('behind');
    expect(field(copy, [], { owner: behind, sameSince: NOW - ALLOWED })).toMatchObject({
      kind: 'unexplained',
    });
  });

  test('that counts as the same agrees', () => {
    const rest: Partial<Comparison> = { normalize: [['trim', 'lower-case', 'collapse-spaces']] };
    expect(field(history([1, ' Ada  Lind ']), history([1, 'ada lind']), rest)).toBe('agrees');
    expect(field(history([1, null]), history([1, '']), rest)).not.toBe('agrees');
    expect(normalized('\tX', ['trim'])).toBe('\tX');
  });
});

describe('a row', () => {
  test('whose owner was deleted is an orphan, unless it may be', () => {
    const gone = history([10, 'a'], [20, undefined]);
    const copy = history([11, 'a']);
    expect(compare(copy, gone).row).toMatchObject({ kind: 'orphan', missed: gone[1] });
    expect(compare(copy, gone, { orphansAllowed: true }).row).toBe('agrees');
    expect(compare(copy, history([10, 'a'], [NOW - 1, undefined])).row).toBe('in flight');
    expect(compare(copy, []).row).toMatchObject({ kind: 'orphan', missed: undefined });
    expect(compare(history([NOW - 1, 'a']), []).row).toBe('in flight');
  });

  test('that every owner must have, and this one has not, is missing', () => {
    const owner = history([10, 'a'], [20, 'b']);
    const rest = { complete: true };
    expect(compare([], owner).row).toBe('agrees');
    expect(compare([], owner, rest).row).toMatchObject({ kind: 'missing', missed: owner[0] });
    expect(compare([], snapshot([10, 'a']), rest).row).toMatchObject({ missed: undefined });
    expect(compare(history([11, 'a'], [50, undefined]), owner, rest).row).toMatchObject({
      kind: 'missing',
      copyChangedAt: 50,
      missed: undefined,
    });
    expect(compare([], history([NOW - 1, 'a']), rest).row).toBe('in flight');
    expect(compare([], history([10, 'a'], [20, undefined]), rest).row).toBe('agrees');
  });

  test('that the warehouse has otherwise is said to be so, whatever it means', () => {
    const owner = history([10, 'a']);
    const copy = { now: ['a'], stored: ['x'], history: history([10, 'a']) };
    expect(compare([], owner, { copy })).toEqual({
      row: 'agrees',
      fields: ['agrees'],
      isWarehouseSame: false,
    });
  });
});

/**
 * An owner whose changes are told to a copy by events, each some time later, one after the other.
 * A fault is one of: the newest events get lost; somebody writes to the copy; or none.
 */
const lives = fc
  .record({
    steps: fc.array(
      fc.record({
        gap: fc.integer({ min: 1, max: 50 }),
        value: fc.constantFrom('a', 'b', 'c', null),
      }),
      { minLength: 1, maxLength: 12 },
    ),
    delay: fc.integer({ min: 0, max: 400 }),
    fault: fc.constantFrom('none', 'lost', 'written'),
    lost: fc.integer({ min: 1, max: 3 }),
    written: fc.constantFrom('a', 'b', 'c', 'x', null),
    isLogWhole: fc.boolean(),
  })
  .map(({ steps, delay, fault, lost, written, isLogWhole }) => {
    let at = 0;
    const owner = steps.map(({ gap, value }, index) => {
      at += gap;
      return change(at, [value], index === 0 ? 'insert' : 'update');
    });
    const told = fault === 'lost' ? owner.slice(0, Math.max(1, owner.length - lost)) : owner;
    const copy = told.map((one) => ({ ...one, at: one.at + delay }));
    if (fault === 'written') copy.push(change(at + delay + 1, [written]));
    // The log of the owner may begin later than the owner.
    const from = isLogWhole ? 0 : Math.floor(owner.length / 2);
    const begin = owner[from]?.at ?? 0;
    const cut = (rows: Change[]) => {
      const before = rows.filter(({ at: time }) => time < begin).at(-1);
      const rest = rows.filter(({ at: time }) => time >= begin);
      return from === 0 || before === undefined
        ? rest
        : [{ ...before, at: begin, op: 'snapshot' }, ...rest];
    };
    return { fault, owner: cut(owner), copy: cut(copy), isLogWhole: from === 0 };
  });

test('property: no drift without a fault, and the kind of a fault is never mistaken', () => {
  fc.assert(
    fc.property(lives, ({ fault, owner, copy, isLogWhole }) => {
      const judgement = field(copy, owner);
      const [mine, theirs] = [copy.at(-1)?.texts?.[0], owner.at(-1)?.texts?.[0]];
      if (mine === theirs) {
        expect(judgement).toBe('agrees');
        return;
      }
      expect(fault).not.toBe('none');
      const kind = typeof judgement === 'string' ? judgement : judgement.kind;
      // Somebody may have written just what a copy would hold that misses an update.
      const mayBe = fault === 'lost' || mine !== 'x' ? ['missed update'] : [];
      if (fault === 'written') mayBe.push('written locally');
      if (!isLogWhole) mayBe.push('unexplained');
      expect(mayBe).toContain(kind);
    }),
    { numRuns: 5_000 },
  );
});
