import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { RowCells } from './row-cells.ts';
import { judge } from './row-difference.ts';

type State = { readonly cells: readonly (string | null)[] } | undefined;

/** A row's life at its source: each state but the first is one more commit. */
const life = fc.array(
  fc.option(fc.record({ cells: fc.tuple(fc.constantFrom('a', 'b', null)) }), { nil: undefined }),
  { minLength: 1, maxLength: 8 },
);

function at(states: readonly State[], commit: number): RowCells | undefined {
  const state = states[commit];
  return state === undefined ? undefined : { ...state, revision: String(commit) };
}

function there(state: State): RowCells | undefined {
  return state === undefined ? undefined : { cells: state.cells };
}

test('a row that the warehouse has as it was at some commit since the first read never differs', () => {
  fc.assert(
    fc.property(life, fc.nat(), fc.nat(), fc.nat(), (states, first, second, seen) => {
      const before = first % states.length;
      const after = before + (second % (states.length - before));
      const warehouse = before + (seen % (after - before + 1));
      const verdict = judge(at(states, before), there(states[warehouse]), at(states, after));
      expect(verdict).not.toBe('differs');
    }),
  );
});

test('a row that nobody writes and the warehouse has otherwise differs, a surplus one in the second round', () => {
  const state = fc.option(fc.record({ cells: fc.tuple(fc.constantFrom('a', 'b', null)) }), {
    nil: undefined,
  });
  fc.assert(
    fc.property(state, state, (source, warehouse) => {
      fc.pre(JSON.stringify(source) !== JSON.stringify(warehouse));
      const row = at([source], 0);
      const first = judge(row, there(warehouse), row);
      expect(first).toBe(source === undefined ? 'again' : 'differs');
      expect(judge(row, there(warehouse), row, there(warehouse))).toBe('differs');
    }),
  );
});
