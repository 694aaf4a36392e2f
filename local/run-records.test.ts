import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { identify, signalGroup } from './process-identity.ts';
import { RunRecords } from './run-records.ts';

let folder: string;
let spawned: ChildProcess[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tributary-run-'));
  spawned = [];
});

afterEach(() => {
  for (const { pid } of spawned) if (pid !== undefined) signalGroup(pid, 'SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

function start(command: string, args: readonly string[]): ChildProcess {
  const child = spawn(command, args, {
    detached: true,
    cwd: resolve(import.meta.dirname, '..'),
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  spawned.push(child);
  return child;
}

/** A supervisor as it is in life: it owns the state folder and has one child with a child. */
const SUPERVISOR = `
  import { RunRecords } from './local/run-records.ts';
  import { SupervisedProcess } from './local/supervised-process.ts';
  const folder = process.argv[1];
  const records = new RunRecords(folder);
  await records.takeOwnership();
  await new SupervisedProcess({
    name: 'worker',
    command: '/bin/sh',
    args: ['-c', 'sleep 600 & echo $! > other; exec sleep 600'],
    env: { PATH: process.env.PATH },
    cwd: folder,
    logFile: folder + '/worker.log',
    isHealthy: async () => (await import('node:fs')).existsSync(folder + '/other'),
    startTimeoutMs: 10000,
    graceMs: 1000,
  }, records, () => {}).start();
  console.log('ready');
  setInterval(() => {}, 1000);
`;

test('a live owner is refused; after kill -9 the next one ends exactly what was recorded', async () => {
  const supervisor = start(process.execPath, [
    '--import',
    'tsx',
    '--input-type=module',
    '-e',
    SUPERVISOR,
    folder,
  ]);
  const bystander = start('sleep', ['600']);
  if (supervisor.stdout === null) throw new Error('no output');
  await once(supervisor.stdout, 'data');
  const next = new RunRecords(folder);
  await expect(next.takeOwnership()).rejects.toThrow(
    `already runs here, as process ${supervisor.pid}`,
  );

  const worker = (JSON.parse(readFileSync(join(folder, 'worker.json'), 'utf8')) as { pid: number })
    .pid;
  const other = Number(readFileSync(join(folder, 'other'), 'utf8'));
  const killed = once(supervisor, 'exit');
  supervisor.kill('SIGKILL');
  await killed;
  expect(await identify(worker)).toBeDefined();

  await next.takeOwnership();
  expect(await next.clearLeftovers()).toEqual(['worker']);
  await expect.poll(() => identify(worker)).toBeUndefined();
  await expect.poll(() => identify(other)).toBeUndefined();
  expect(await identify(bystander.pid ?? 0)).toBeDefined();
  expect(existsSync(join(folder, 'worker.json'))).toBe(false);
  expect(await next.clearLeftovers()).toEqual([]);
});

test('another process that got the pid of a recorded one is left alone', async () => {
  const stranger = start('sleep', ['600']);
  const pid = stranger.pid ?? 0;
  const records = new RunRecords(folder);
  await records.add('kafka', pid);
  const path = join(folder, 'kafka.json');
  const record = JSON.parse(readFileSync(path, 'utf8')) as { startedAt: string };
  writeFileSync(path, JSON.stringify({ ...record, startedAt: `${record.startedAt}1` }));
  // Nor is an owner of that pid believed to be the owner.
  writeFileSync(join(folder, 'owner.json'), readFileSync(path));

  await records.takeOwnership();
  expect(await records.clearLeftovers()).toEqual([]);
  expect(await identify(pid)).toBeDefined();
  expect(existsSync(path)).toBe(false);
});

test('a record that cannot be read is no process to end', async () => {
  writeFileSync(join(folder, 'kafka.json'), '{"pid": 1, "startedAt": "x"}');
  writeFileSync(join(folder, 'connect.json'), '{"pid":');
  expect(await new RunRecords(folder).clearLeftovers()).toEqual([]);
});
