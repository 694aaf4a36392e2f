import { expect, test } from 'vitest';
import { regressions } from './gate-rule.ts';

test('a ratio may be lower by noise, not by more, and may not go missing', () => {
  const recorded = [
    { what: 'drain', value: 2 },
    { what: 'first load', value: 10 },
    { what: 'other', value: 1 },
  ];
  expect(
    regressions(recorded, [
      { what: 'drain', value: 1.21 },
      { what: 'first load', value: 5.9 },
    ]),
  ).toEqual([
    'first load: 5.90, recorded 10.00, at least 6.00 is expected',
    'other: not measured any more',
  ]);
  expect(regressions(recorded, recorded)).toEqual([]);
});
