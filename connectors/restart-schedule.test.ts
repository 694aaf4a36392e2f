import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { ConnectorStatus } from './connect-client.ts';
import { RESTART_POLICY, RestartSchedule } from './restart-schedule.ts';

const statusOf = (connector: string, ...tasks: string[]): ConnectorStatus => ({
  connector: { state: connector },
  tasks: tasks.map((state, id) => ({ id, state, ...(state === 'FAILED' ? { trace: 'why' } : {}) })),
});
const FAILED = statusOf('RUNNING', 'FAILED');
const RUNNING = statusOf('RUNNING', 'RUNNING');
const TICK_MS = 1_000;

/** Seconds at which a connector that goes through these states is restarted. */
function restarts(states: readonly ConnectorStatus[]): number[] {
  const schedule = new RestartSchedule();
  return states.flatMap((status, second) =>
    schedule.decide('c', status, second * TICK_MS).kind === 'restart' ? [second] : [],
  );
}

test('a task that keeps failing is restarted at once, then less and less often', () => {
  const at = restarts(Array.from({ length: 2_000 }, () => FAILED));
  expect(at.slice(0, 7)).toEqual([0, 5, 15, 35, 75, 155, 315]);
  expect(at.slice(7)).toEqual([615, 915, 1215, 1515, 1815]);
});

test('a failure of the connector itself counts too; what runs, is paused or is stopped is left alone', () => {
  expect(restarts([statusOf('FAILED')])).toEqual([0]);
  const others = [
    RUNNING,
    statusOf('PAUSED', 'PAUSED'),
    statusOf('STOPPED'),
    statusOf('UNASSIGNED', 'UNASSIGNED'),
    statusOf('RUNNING', 'RESTARTING'),
  ];
  expect(restarts([...others, ...others])).toEqual([]);
});

test('only one that ran for a while starts over; one that fails again soon goes on waiting', () => {
  const times = (status: ConnectorStatus, seconds: number) =>
    Array.from({ length: seconds }, () => status);
  expect(
    restarts([...times(FAILED, 6), ...times(RUNNING, 62), FAILED, ...times(FAILED, 5)]),
  ).toEqual([0, 5, 68, 73]);
  expect(restarts([...times(FAILED, 6), ...times(RUNNING, 3), ...times(FAILED, 7)])).toEqual([
    0, 5, 15,
  ]);
});

test('it is said once that a connector runs again', () => {
  const schedule = new RestartSchedule();
  const said = [FAILED, ...Array.from({ length: 100 }, () => RUNNING)].map(
    (status, second) => schedule.decide('c', status, second * TICK_MS).kind,
  );
  expect(said.filter((kind) => kind === 'recovered')).toHaveLength(1);
});

test('however states alternate, two restarts are never closer than the first delay', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(FAILED, RUNNING), { maxLength: 300 }), (states) => {
      const at = restarts(states);
      at.slice(1).forEach((second, index) => {
        expect((second - (at[index] ?? 0)) * TICK_MS).toBeGreaterThanOrEqual(
          RESTART_POLICY.firstDelayMs,
        );
      });
    }),
  );
});
