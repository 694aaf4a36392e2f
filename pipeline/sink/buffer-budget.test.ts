import { expect, test } from 'vitest';
import { BufferBudget } from './buffer-budget.ts';

test('who brings more waits until all together hold less, but not for what is set aside', async () => {
  const budget = new BufferBudget(100);
  const [one, other] = [budget.newPart(), budget.newPart()];
  await budget.room();
  one.hold(60);
  other.hold(60);
  let hasRoom = false;
  const waiting = budget.room().then(() => (hasRoom = true));
  one.letGo(10);
  await Promise.resolve();
  expect([budget.isOver, hasRoom]).toEqual([true, false]);
  one.letGo(10);
  await waiting;

  one.hold(500);
  expect(budget.isOver).toBe(true);
  one.setAside(true);
  one.hold(500);
  expect(budget.isOver).toBe(false);
  one.letGo(900);
  one.setAside(false);
  expect(budget.isOver).toBe(true);
  one.letGo(140);
  expect(budget.isOver).toBe(false);
});

test('nobody waits for ever where nothing is let go', async () => {
  const budget = new BufferBudget(100);
  budget.newPart().hold(101);
  await budget.room();
  expect(budget.isOver).toBe(true);
});
