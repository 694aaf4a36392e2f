import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { TributaryError } from '#runtime/errors.ts';
import { identify } from './process-identity.ts';
import type { ProcessSpec } from './process-spec.ts';
import { RunRecords } from './run-records.ts';
import { SupervisedProcess } from './supervised-process.ts';

let folder: string;
let made: SupervisedProcess[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tributary-process-'));
  made = [];
});

afterEach(async () => {
  await Promise.all(made.map((child) => child.stop()));
  rmSync(folder, { recursive: true, force: true });
});

/** A shell script as a process; its working directory is the test's folder. */
function shell(
  script: string,
  options: Partial<ProcessSpec> = {},
  onFailure: (error: TributaryError) => void = () => undefined,
): SupervisedProcess {
  const spec: ProcessSpec = {
    name: 'script',
    command: '/bin/sh',
    args: ['-c', script],
    env: { PATH: '/usr/bin:/bin' },
    cwd: folder,
    logFile: join(folder, 'script.log'),
    isHealthy: async () => existsSync(join(folder, 'healthy')),
    startTimeoutMs: 10_000,
    graceMs: 10_000,
    ...options,
  };
  const child = new SupervisedProcess(spec, new RunRecords(folder), onFailure);
  made.push(child);
  return child;
}

/** Starts it, taking nothing that an earlier life left for a sign of health. */
async function startAnew(child: SupervisedProcess): Promise<void> {
  rmSync(join(folder, 'healthy'), { force: true });
  await child.start();
}

function lives(): number {
  return readFileSync(join(folder, 'lives'), 'utf8').split('\n').length - 1;
}

async function isGone(pid: number): Promise<boolean> {
  for (let attempt = 0; attempt < 100; attempt += 1) {
    if ((await identify(pid)) === undefined) return true;
    await delay(20);
  }
  return false;
}

test('a process that is killed comes back; one that keeps dying is given up after five restarts, with its last words', async () => {
  let giveUp: (error: TributaryError) => void = () => undefined;
  const givenUp = new Promise<TributaryError>((resolve) => (giveUp = resolve));
  const child = shell(
    `echo >> lives; [ -e broken ] && { echo the disk is on fire; exit 3; }; touch healthy; exec sleep 600`,
    {},
    (error) => giveUp(error),
  );
  await child.start();
  const first = child.pid;
  await child.kill();
  await child.healthy();
  expect(child.state).toBe('running');
  expect(child.pid).not.toBe(first);
  await expect.poll(lives).toBe(2);

  writeFileSync(join(folder, 'broken'), '');
  await child.kill();
  const error = await givenUp;
  expect(error.code).toBe('STACK_FAILED');
  expect(error.message).toContain('the disk is on fire');
  expect(child.state).toBe('failed');
  // The first, the one restart that went well, and four that did not.
  expect(lives()).toBe(6);
  await expect(child.healthy()).rejects.toThrow('script is failed');
});

test.each([
  ['which would outlive it', `(trap '' TERM; exec sleep 600) & echo $! > other;`, 10_000],
  ['when both are deaf', `trap '' TERM; (exec sleep 600) & echo $! > other;`, 200],
])('stopping a process ends what it started itself, %s', async (_case, start, graceMs) => {
  const child = shell(`${start} touch healthy; while :; do sleep 0.1; done`, { graceMs });
  await child.start();
  const leader = child.pid ?? 0;
  const other = Number(readFileSync(join(folder, 'other'), 'utf8'));
  expect(await identify(other)).toBeDefined();
  await child.stop();
  expect(child.state).toBe('stopped');
  expect(await isGone(leader)).toBe(true);
  expect(await isGone(other)).toBe(true);
  expect(existsSync(join(folder, 'script.json'))).toBe(false);
});

test('what a process had started is ended with it before it comes back', async () => {
  const child = shell(`(exec sleep 600) & echo $! > other; touch healthy; exec sleep 600`);
  await child.start();
  const other = Number(readFileSync(join(folder, 'other'), 'utf8'));
  // The process alone, not its group: an accident.
  process.kill(child.pid ?? 0, 'SIGKILL');
  expect(await isGone(other)).toBe(true);
  await child.healthy();
});

test('a start that fails says why in the words of this run, and leaves nothing running', async () => {
  const ends = shell(`echo "life $(cat count)"; exit 1`);
  writeFileSync(join(folder, 'count'), 'one');
  await expect(ends.start()).rejects.toThrow(/ended while starting.*\n {4}life one$/);
  writeFileSync(join(folder, 'count'), 'two');
  // No longer holds what the first one said.
  await expect(ends.start()).rejects.toThrow(/^script ended while starting[^\n]*\n {4}life two$/);
  expect(ends.state).toBe('failed');

  const hangs = shell(`echo still loading; exec sleep 600`, { startTimeoutMs: 200 });
  const start = hangs.start();
  await expect(start).rejects.toThrow(/is not ready after 0.2 s.*\n {4}still loading$/);
  expect(await isGone(hangs.pid ?? 0)).toBe(true);

  const missing = shell('', { command: join(folder, 'no-such-program') });
  await expect(missing.start()).rejects.toThrow('could not be started');
  expect(missing.state).toBe('failed');
});

test('stopping wins over a start and over a restart that are under way', async () => {
  const child = shell(`echo >> lives; touch healthy; exec sleep 600`);
  const [start] = await Promise.allSettled([child.start(), child.stop()]);
  expect(String(start.status === 'rejected' && start.reason)).toContain('was stopped');
  expect(child.state).toBe('stopped');
  expect(existsSync(join(folder, 'lives'))).toBe(false);

  await child.start();
  await child.kill();
  expect(child.state).toBe('restarting');
  await child.stop();
  expect(child.state).toBe('stopped');
  expect(lives()).toBe(1);
  expect(await isGone(child.pid ?? 0)).toBe(true);

  await startAnew(child);
  await child.kill({ restart: false });
  expect(child.state).toBe('stopped');
  await startAnew(child);
  expect(lives()).toBe(3);
});

test('a process that may finish is not started again, and its end is told', async () => {
  const child = shell(`echo >> lives; touch healthy; while [ ! -e enough ]; do sleep 0.02; done`, {
    mayFinish: true,
  });
  await child.start();
  writeFileSync(join(folder, 'enough'), '');
  await child.finished;
  expect(child.state).toBe('finished');
  expect(lives()).toBe(1);
});
