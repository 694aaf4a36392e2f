import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, expect, test } from 'vitest';
import { classArchive, JVM_FLAGS, kafkaClassPath } from './java.ts';

const run = promisify(execFile);
const folder = mkdtempSync(join(tmpdir(), 'tributary-jvm-'));
const env = { PATH: process.env['PATH'] ?? '' };
afterAll(() => rmSync(folder, { recursive: true }));

async function tool(flags: readonly string[]): Promise<string> {
  const { stdout, stderr } = await run(
    'java',
    [...flags, ...JVM_FLAGS, '-cp', kafkaClassPath(), 'kafka.tools.StorageTool', 'random-uuid'],
    { env },
  );
  return `${stdout}${stderr}`;
}

// Three JVMs, one of which writes its archive.
test(
  'a program leaves an archive of its classes, from which the next one has them',
  { timeout: 60_000 },
  async () => {
    const first = await classArchive('tool', env, folder);
    // Nothing but what it has to say, whatever does not fit into the archive.
    expect(await tool(first.flags)).toMatch(/^\S{22}\n$/);
    expect(readdirSync(folder)).toHaveLength(1);
    const second = await classArchive('tool', env, folder);
    expect([first.writingMs > 0, second.writingMs]).toEqual([true, 0]);
    const origins = await tool([...second.flags, '-Xlog:class+load']);
    expect(origins).toMatch(/ kafka\.tools\.StorageTool source: shared objects file \(top\)/);
  },
);
