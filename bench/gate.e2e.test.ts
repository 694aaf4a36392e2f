import { expect, test } from 'vitest';
import { regressions } from './gate-rule.ts';
import { GATE } from './gate.ts';
import { readReports, RESULTS } from './report.ts';

test('nothing is slower, beside its peers, than it was when last recorded (npm run bench -- gate)', async () => {
  const recorded = (await readReports(RESULTS)).get('gate');
  const said: string[] = [];
  const { ratios } = await GATE.run(true, (text) => said.push(text));
  expect(recorded?.ratios).toHaveLength(2);
  expect(regressions(recorded?.ratios ?? [], ratios), said.join('\n')).toEqual([]);
});
