import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { describePlan } from './describe.ts';
import { planConnectors } from './plan.ts';

const settings = fc.dictionary(fc.constantFrom('a', 'b', 'c', 'd'), fc.constantFrom('1', '2', ''));

describe('a plan', () => {
  it('creates, updates, keeps and leaves alone', () => {
    const live = new Map([
      ['same', { config: { name: 'same', a: '1' } }],
      ['other', { config: { name: 'other', a: '1', gone: 'x', 'database.password': 'hunter2' } }],
      ['stranger', { config: {} }],
    ]);
    const steps = planConnectors(
      [
        { name: 'new', config: { a: '1' } },
        { name: 'same', config: { a: '1' } },
        { name: 'other', config: { a: '2', 'database.password': '${file:s:p}' } },
      ],
      live,
    );
    expect(describePlan(steps).split('\n')).toEqual([
      '+ new',
      '= same',
      '~ other',
      '    a: 1 -> 2',
      '    database.password: <redacted> -> ${file:s:p}',
      '    gone: x -> (not set)',
      '? stranger  not in the catalog, left alone',
    ]);
  });

  it('has nothing left to do once it was carried out', () => {
    fc.assert(
      fc.property(settings, fc.option(settings), (desired, live) => {
        const before = new Map(live === null ? [] : [['c', { config: live }]]);
        const [step] = planConnectors([{ name: 'c', config: desired }], before);
        const carriedOut =
          step?.kind === 'create' || step?.kind === 'update' ? step.connector.config : live;
        // Connect adds the name by itself.
        const after = new Map([['c', { config: { ...carriedOut, name: 'c' } }]]);
        expect(planConnectors([{ name: 'c', config: desired }], after)).toEqual([
          { kind: 'unchanged', name: 'c' },
        ]);
      }),
    );
  });
});
