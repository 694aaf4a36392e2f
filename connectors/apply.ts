import { setTimeout as sleep } from 'node:timers/promises';
import type { Secret } from '#runtime/config.ts';
import { TributaryError } from '#runtime/errors.ts';
import { blackOut, type ConnectClient, type ConnectorStatus } from './connect-client.ts';
import type { ConnectorConfig } from './connector-config.ts';
import { planConnectors, type PlanStep } from './plan.ts';

/** How to apply. */
export interface ApplyOptions {
  readonly client: ConnectClient;
  readonly desired: readonly ConnectorConfig[];
  /** How long all tasks may take to run. */
  readonly deadlineMs: number;
  readonly signal: AbortSignal;
  /** Texts that a task's trace must not show. */
  readonly secrets?: readonly Secret[];
}

const POLL_MS = 200;
/** A task counts as running once it has been so this long: what fails, fails at its start. */
const SETTLE_MS = 1_000;
/** A task gets this many restarts: the first failure seen may be one from before. */
const RESTARTS = 2;

/**
 * Makes Kafka Connect's connectors what they should be, touching only those that differ, and waits
 * until every task runs. Failed tasks are restarted. Connectors of others are left alone.
 *
 * @returns what was done
 * @throws TributaryError `CONNECTOR_FAILED` with the task's own reason, `DEADLINE_EXCEEDED` with
 * the last state seen, `CONNECT_UNAVAILABLE`, `CONNECT_REFUSED`
 */
export async function applyConnectors(options: ApplyOptions): Promise<PlanStep[]> {
  const { client, desired, signal } = options;
  const steps = planConnectors(desired, await client.list(signal));
  for (const step of steps) {
    if (step.kind === 'create' || step.kind === 'update') {
      await client.put(step.name, step.connector.config, signal);
    }
  }
  await waitUntilRunning(options, steps);
  return steps;
}

/** What has been seen of a connector while waiting for it. */
interface Watch {
  restarts: number;
  /** Whether it has been seen in another state since the last restart. */
  moved: boolean;
  runningSince: number | undefined;
}

async function waitUntilRunning(
  { client, deadlineMs, signal, secrets = [] }: ApplyOptions,
  steps: readonly PlanStep[],
): Promise<void> {
  const deadline = Date.now() + deadlineMs;
  const waiting = new Map<string, Watch>();
  for (const { kind, name } of steps) {
    if (kind === 'unmanaged') continue;
    // One that was not touched and runs, runs; the others have to prove it.
    const runningSince = kind === 'unchanged' ? Date.now() - SETTLE_MS : undefined;
    waiting.set(name, { restarts: 0, moved: false, runningSince });
  }
  for (;;) {
    const live = await client.list(signal);
    for (const [name, watch] of waiting) {
      const status = live.get(name)?.status;
      const failure = status === undefined ? undefined : failureOf(status);
      if (failure !== undefined) {
        if (watch.restarts >= RESTARTS && watch.moved) {
          throw new TributaryError(
            'CONNECTOR_FAILED',
            `connector ${name} failed: ${blackOut(reasonOf(failure), secrets)}`,
            { context: { connector: name } },
          );
        }
        if (watch.restarts === 0 || watch.moved) {
          watch.restarts += 1;
          watch.moved = false;
          await client.restartFailed(name, signal);
        }
        watch.runningSince = undefined;
      } else if (status !== undefined && isRunning(status)) {
        watch.moved = true;
        watch.runningSince ??= Date.now();
        if (Date.now() - watch.runningSince >= SETTLE_MS) waiting.delete(name);
      } else {
        watch.moved = true;
        watch.runningSince = undefined;
      }
    }
    if (waiting.size === 0) return;
    if (Date.now() > deadline) {
      const states = [...waiting.keys()].map(
        (name) => `${name} ${stateOf(live.get(name)?.status)}`,
      );
      throw new TributaryError(
        'DEADLINE_EXCEEDED',
        `connectors do not run after ${deadlineMs / 1000} s: ${states.join(', ')}`,
      );
    }
    await sleep(POLL_MS, undefined, { signal });
  }
}

/** Whether the connector and its task run. */
export function isRunning({ connector, tasks }: ConnectorStatus): boolean {
  return (
    connector.state === 'RUNNING' &&
    tasks.length > 0 &&
    tasks.every(({ state }) => state === 'RUNNING')
  );
}

/** The state of a connector in one word: that of its task, once it has one. */
export function stateOf(status: ConnectorStatus | undefined): string {
  if (status === undefined) return 'ABSENT';
  if (status.connector.state !== 'RUNNING') return status.connector.state;
  return (
    status.tasks.find(({ state }) => state !== 'RUNNING')?.state ??
    (status.tasks.length === 0 ? 'STARTING' : 'RUNNING')
  );
}

function failureOf({ connector, tasks }: ConnectorStatus): string | undefined {
  const failed = [connector, ...tasks].find(({ state }) => state === 'FAILED');
  return failed === undefined ? undefined : (failed.trace ?? 'no reason given');
}

/** The messages of a Java stack trace without its frames, the innermost cause last. */
export function reasonOf(trace: string): string {
  const messages = trace
    .split('\n')
    .filter((line) => line.trim() !== '' && !/^\s+(?:at |\.\.\. )/.test(line))
    .map((line) =>
      line
        .replace(/^Caused by: /, '')
        .replace(/^(?:[a-z]\w*\.)+(?=[A-Z])/, '')
        .trim(),
    );
  return [...new Set(messages)].join('; ');
}
