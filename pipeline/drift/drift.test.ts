import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import type { DriftRule } from '../catalog/drift-rule.ts';
import { follows } from './field-evidence.ts';
import { findBurst } from './find-burst.ts';
import type { Finding } from './finding.ts';
import { createDriftMetrics } from './metrics.ts';
import { planRepairs, repairUrl } from './repair.ts';
import { isAlarming, shareDrifted } from './thresholds.ts';

const BEGAN = 1_000_000_000;

function finding(rest: Partial<Finding>): Finding {
  return {
    rule: 'r',
    copyKey: '["1"]',
    field: 'name',
    openedAt: BEGAN,
    state: 'open',
    kind: 'missed update',
    ownerKey: '["a"]',
    ownerFingerprint: '',
    copyFingerprint: '',
    ownerChangedAt: undefined,
    copyChangedAt: undefined,
    missedAt: undefined,
    missedEvent: '',
    note: '',
    seenAt: BEGAN,
    healedAt: undefined,
    ...rest,
  };
}

const missedAt = (...seconds: number[]) =>
  seconds.map((second) => finding({ missedAt: BEGAN + second * 1_000 }));

test('a burst is most of the findings within a minute, and names its first moment', () => {
  expect(findBurst(missedAt(0, 1, 2, 3))).toBeUndefined();
  expect(findBurst(missedAt(-9_000, 70, 50, 52, 58, 51))).toEqual({
    at: BEGAN + 50_000,
    findings: 5,
  });
  // As many before and after, each for itself.
  const scattered = Array.from({ length: 12 }, (_, hour) => hour * 3_600);
  expect(findBurst(missedAt(...scattered, 50, 51, 52, 53, 54))).toBeUndefined();
  const written = Array.from({ length: 5 }, () =>
    finding({ kind: 'written locally', copyChangedAt: BEGAN + 7, ownerChangedAt: 1 }),
  );
  expect(findBurst(written)).toEqual({ at: BEGAN + 7, findings: 5 });
});

test('thresholds count findings, or copies as a share', () => {
  const rule = (alert: DriftRule['alert']) => ({ alert }) as DriftRule;
  const open = [finding({}), finding({ field: 'email' }), finding({ copyKey: '["2"]' })];
  const standing = { open, copies: 100 };
  expect(shareDrifted(standing)).toBe(0.02);
  expect(isAlarming(rule({ findings: 3, share: Infinity }), standing)).toBe(true);
  expect(isAlarming(rule({ findings: 4, share: Infinity }), standing)).toBe(false);
  expect(isAlarming(rule({ findings: Infinity, share: 0.02 }), standing)).toBe(true);
  expect(isAlarming(rule({ findings: Infinity, share: 0.021 }), standing)).toBe(false);
  expect(isAlarming(rule({ findings: 1, share: 0.5 }), { open: [], copies: 0 })).toBe(false);
});

test('an owner is asked once for all of its copies, and for those alone that were named', () => {
  const findings = [
    finding({}),
    finding({ field: 'email' }),
    finding({ copyKey: '["2"]' }),
    finding({ copyKey: '["3","x"]', ownerKey: '["b"]' }),
    finding({ copyKey: '["4"]', ownerKey: '["c"]', kind: 'pipeline' }),
  ];
  expect(planRepairs(findings, [])).toEqual([
    { owner: ['a'], copies: [['1'], ['2']] },
    { owner: ['b'], copies: [['3', 'x']] },
  ]);
  expect(planRepairs(findings, ['3,x', 'none'])).toEqual([{ owner: ['b'], copies: [['3', 'x']] }]);
  expect(planRepairs(findings, ['a'])).toHaveLength(1);
  expect(planRepairs(findings, ['none'])).toEqual([]);
});

test('a key goes into the repair url as it is, whatever it holds', () => {
  const rule = {
    name: 'r',
    repair: { url: 'http://users/{tenant}/{id}/republish', headers: new Map() },
  } as unknown as DriftRule;
  expect(repairUrl(rule, ['id', 'tenant'], ['../x?y', 'a b'])).toBe(
    'http://users/a%20b/..%2Fx%3Fy/republish',
  );
  expect(() => repairUrl(rule, ['id'], ['1'])).toThrow('{tenant}');
  expect(() => repairUrl({ name: 'r', repair: undefined } as DriftRule, [], [])).toThrow('repair');
});

test('a column follows another only where chance cannot explain it', () => {
  const names = { copy: 'c', owner: 'o' };
  const numbers = Array.from({ length: 200 }, (_, number) => String(number));
  expect(follows(names, numbers, numbers)).toMatchObject({
    ...names,
    rows: 200,
    equal: 1,
    chance: expect.closeTo(1 / 200) as number,
  });
  // Some have drifted, and most are not filled in.
  const some = numbers.map((text, index) =>
    index % 2 === 0 ? null : index % 9 === 0 ? 'x' : text,
  );
  expect(follows(names, some, numbers)).toMatchObject({ rows: 100, equal: 0.89 });
  expect(follows(names, numbers, numbers.toReversed())).toBeUndefined();
  // Nearly all are active on both sides: that says nothing of the one whose row it is.
  const states = numbers.map((_, index) => (index % 10 === 0 ? 'closed' : 'active'));
  const shifted = [...states.slice(5), ...states.slice(0, 5)];
  expect(follows(names, states, shifted)).toBeUndefined();
  expect(follows(names, states, states)).toMatchObject({ equal: 1 });
  expect(
    follows(
      names,
      states.map(() => 'a'),
      states.map(() => 'a'),
    ),
  ).toBeUndefined();
  expect(follows(names, numbers.slice(0, 19), numbers.slice(0, 19))).toBeUndefined();
});

test('the alert rules for Prometheus name metrics that there are', async () => {
  const text = await readFile(new URL('prometheus-rules.yaml', import.meta.url), 'utf8');
  const { groups } = parse(text) as {
    groups: { rules: { alert: string; expr: string; annotations: { summary: string } }[] }[];
  };
  const known = createDriftMetrics()
    .registry.getMetricsAsArray()
    .map(({ name }) => name);
  const rules = groups.flatMap((group) => group.rules);
  expect(rules.length).toBeGreaterThan(3);
  for (const { alert, expr, annotations } of rules) {
    expect(annotations.summary, alert).not.toBe('');
    const used = expr.match(/tributary_\w+/g) ?? [];
    expect(used.length, alert).toBeGreaterThan(0);
    for (const name of used) expect(known, alert).toContain(name);
  }
});
