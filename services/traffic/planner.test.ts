import { expect, test } from 'vitest';
import { PROFILES, type ProfileName } from './profiles.ts';
import { planActions, type Action } from './planner.ts';

function plan(seed: number, count: number): Action[] {
  const actions = planActions(seed);
  return Array.from({ length: count }, () => actions.next().value);
}

test('plans the same actions for the same seed and others for another', () => {
  expect(plan(7, 2_000)).toEqual(plan(7, 2_000));
  expect(plan(7, 50)).not.toEqual(plan(8, 50));
  // A change of the sequence breaks whoever compares two versions by seed: change it knowingly.
  expect(plan(1, 8).map((action) => action.kind)).toEqual([
    'sign-up',
    'place-order',
    'log-in',
    'place-order',
    'place-order',
    'sign-up',
    'browse',
    'place-order',
  ]);
});

test('plans every kind of action, orders more often than closed accounts', () => {
  const counts = new Map<Action['kind'], number>();
  for (const { kind } of plan(1, 5_000)) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  expect(counts.size).toBe(14);
  expect(counts.get('place-order')).toBeGreaterThan(10 * (counts.get('close-account') ?? 0));
});

test('plans nothing that a service would refuse for its form', () => {
  for (const action of plan(3, 5_000)) {
    if (action.kind === 'reprice') expect(action.price).toMatch(/^[1-9]\d{0,2}\.\d\d$/);
    if (action.kind === 'sign-up' && action.birthDate !== null) {
      expect(new Date(action.birthDate).toISOString().slice(0, 10)).toBe(action.birthDate);
    }
    if (action.kind === 'place-order') {
      for (const { product, quantity } of action.lines) {
        expect(product >= 0 && product < 1 && quantity >= 1).toBe(true);
      }
    }
  }
});

test('has profiles: a sale is about few products, and chaos declines', () => {
  const orders = (name: ProfileName) => {
    const actions = planActions(1, PROFILES[name]);
    const all = Array.from({ length: 2_000 }, () => actions.next().value);
    return all.flatMap((action) => (action.kind === 'place-order' ? [action] : []));
  };
  const [busy, sale, chaos] = [orders('busy'), orders('flash-sale'), orders('chaos')];
  expect(sale.length).toBeGreaterThan(1.5 * busy.length);
  for (const { lines } of sale) for (const { product } of lines) expect(product).toBeLessThan(0.06);
  const declined = (of: typeof busy) => of.filter((order) => order.declined).length / of.length;
  expect(declined(busy)).toBeLessThan(0.1);
  expect(declined(chaos)).toBeGreaterThan(0.3);
});
