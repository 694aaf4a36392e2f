import { expect, test } from 'vitest';
import { InsertBudget } from './insert-budget.ts';

test('so many at a time, in the order of asking, and a turn that was given back can be had again', async () => {
  const budget = new InsertBudget(2);
  const lanes = Array.from({ length: 5 }, (_, name) => ({ name, turn: budget.newTurn() }));
  const got: number[] = [];
  const taken = lanes.map(async ({ name, turn }) => {
    await turn.take();
    got.push(name);
  });
  await Promise.all(taken.slice(0, 2));
  expect(got).toEqual([0, 1]);

  // Having a turn, it may insert again at once; and giving back what one has not is nothing.
  await lanes[0]?.turn.take();
  lanes[3]?.turn.giveBack();
  await Promise.resolve();
  expect(got).toEqual([0, 1]);

  lanes[1]?.turn.giveBack();
  await taken[2];
  const again = lanes[1]?.turn.take().then(() => got.push(1));
  lanes[0]?.turn.giveBack();
  lanes[0]?.turn.giveBack();
  await taken[3];
  expect(got).toEqual([0, 1, 2, 3]);
  for (const index of [2, 3]) lanes[index]?.turn.giveBack();
  await Promise.all([...taken, again]);
  expect(got).toEqual([0, 1, 2, 3, 4, 1]);
});
