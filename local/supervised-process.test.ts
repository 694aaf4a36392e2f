import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { TributaryError } from '#runtime/errors.ts';
import { identify, isAlive, type ProcessIdentity } from './process-identity.ts';
import { RunRecords } from './run-records.ts';
import { SupervisedProcess, type ProcessSpec } from './supervised-process.ts';

let folder: string;
let records: RunRecords;
const started: SupervisedProcess[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tributary-local-'));
  records = new RunRecords(join(folder, 'run'));
  await records.takeOwnership();
});

afterEach(async () => {
  await Promise.all(started.splice(0).map((child) => child.stop()));
  await rm(folder, { recursive: true, force: true });
});

/** A shell script as a process of the stack. `ready` appears when it is healthy. */
function supervise(
  script: string,
  spec: Partial<ProcessSpec> = {},
): SupervisedProcess & { failures: TributaryError[] } {
  const failures: TributaryError[] = [];
  const ready = join(folder, 'ready');
  const child = new SupervisedProcess(
    {
      name: 'sample',
      command: '/bin/sh',
      args: ['-c', script],
      env: { PATH: process.env['PATH'] ?? '' },
      cwd: folder,
      logFile: join(folder, 'sample.log'),
      isHealthy: async () => (await readFile(ready, 'utf8')) !== '',
      startTimeoutMs: 10_000,
      graceMs: 500,
      ...spec,
    },
    records,
    (error) => failures.push(error),
  );
  started.push(child);
  return Object.assign(child, { failures });
}

async function eventually(holds: () => Promise<boolean> | boolean): Promise<void> {
  while (!(await holds())) await delay(20);
}

async function pidFrom(file: string): Promise<ProcessIdentity> {
  await eventually(async () =>
    (await readFile(join(folder, file), 'utf8').catch(() => '')).endsWith('\n'),
  );
  const identity = await identify(Number(await readFile(join(folder, file), 'utf8')));
  if (identity === undefined) throw new Error(`the process in ${file} does not run`);
  return identity;
}

test('stop ends the whole group, also a grandchild that ignores SIGTERM', async () => {
  const child = supervise(
    `(trap '' TERM; sh -c 'echo $$ > grandchild; exec sleep 60') & echo yes > ready; wait`,
  );
  await child.start();
  const grandchild = await pidFrom('grandchild');
  expect(await isAlive(grandchild)).toBe(true);
  await child.stop();
  await eventually(async () => !(await isAlive(grandchild)));
  expect(child.state).toBe('stopped');
});

test('a process that is killed is started again', async () => {
  const child = supervise(`echo yes > ready; exec sleep 60`);
  await child.start();
  const first = child.pid;
  await child.kill();
  await eventually(() => child.state === 'running' && child.pid !== first);
  expect(child.failures).toEqual([]);
});

test('a process that keeps ending is given up after a bounded number of starts, with the end of its log', async () => {
  const child = supervise(
    `echo x >> starts; echo yes > ready; echo the reason; sleep 0.05; exit 3`,
  );
  await child.start();
  await eventually(() => child.failures.length > 0);
  expect(child.state).toBe('failed');
  expect((await readFile(join(folder, 'starts'), 'utf8')).trim().split('\n')).toHaveLength(6);
  expect(child.failures[0]?.message).toContain('the reason');
  expect(child.failures).toHaveLength(1);
});

test('a process that ends while starting fails the start with the end of its log', async () => {
  const child = supervise(`echo cannot bind; exit 1`);
  await expect(child.start()).rejects.toMatchObject({ code: 'STACK_FAILED' });
  await expect(child.start()).rejects.toThrow(/cannot bind/);
});

test('one that may finish is finished by exit code 0 and by no other', async () => {
  const child = supervise(`echo yes > ready; sleep 0.1; exit 0`, { mayFinish: true });
  await child.start();
  await child.finished;
  expect(child.state).toBe('finished');
});

test('leftovers are ended by pid and start time together, so a reused pid is safe', async () => {
  const run = () => spawn('sleep', ['60'], { detached: true, stdio: 'ignore' });
  const [leftover, innocent] = [run(), run()];
  await Promise.all([once(leftover, 'spawn'), once(innocent, 'spawn')]);
  await records.add('kafka', leftover.pid ?? 0);
  const other = await identify(innocent.pid ?? 0);
  await writeFile(
    join(folder, 'run', 'connect.json'),
    JSON.stringify({ pid: innocent.pid, startedAt: `${other?.startedAt ?? ''}0` }),
  );
  const exited = once(leftover, 'exit');
  expect(await records.clearLeftovers()).toEqual(['kafka']);
  await exited;
  expect(await isAlive(other ?? { pid: 0, startedAt: '' })).toBe(true);
  innocent.kill('SIGKILL');
});

test('two runs of one state folder refuse each other while the first lives', async () => {
  const owner = spawn('sleep', ['60'], { stdio: 'ignore' });
  await once(owner, 'spawn');
  await records.add('owner', owner.pid ?? 0);
  await expect(new RunRecords(join(folder, 'run')).takeOwnership()).rejects.toThrow(
    new RegExp(`already runs here, as process ${owner.pid}`),
  );
  owner.kill('SIGKILL');
  await once(owner, 'exit');
  await new RunRecords(join(folder, 'run')).takeOwnership();
});
