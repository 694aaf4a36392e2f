import { expect, test } from 'vitest';
import { regressions } from './gate-rule.ts';
import { GATE } from './gate.ts';
import { readReports, RESULTS } from './report.ts';

test('nothing is slower, beside its peers, than it was when last recorded', async () => {
  const recorded = (await readReports(RESULTS)).get('gate')?.ratios ?? [];
  expect(recorded, 'record them: npm run bench -- gate').toHaveLength(2);
  const said: string[] = [];
  const { ratios } = await GATE.run(true, (text) => said.push(text));
  expect(regressions(recorded, ratios), said.join('\n')).toEqual([]);
});
