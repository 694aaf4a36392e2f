import { execFile } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ROOT } from './settings.ts';

const run = promisify(execFile);
const folder = join(ROOT, '.tributary', 'test', 'programs');
const entry = relative(ROOT, join(folder, 'main.ts'));

beforeAll(() => {
  mkdirSync(folder, { recursive: true });
  writeFileSync(
    join(folder, 'main.ts'),
    `import { part } from './part.ts';
     console.log(JSON.stringify([part, import.meta.dirname, process.argv.slice(2)]));
     if (process.argv.length > 2) throw new Error('on line three' as string);`,
  );
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Runs the program; resolves with what it printed. */
async function output(...args: string[]): Promise<unknown> {
  const { stdout } = await run(process.execPath, ['local/run.mjs', entry, ...args], { cwd: ROOT });
  return JSON.parse(stdout);
}

function writePart(text: string): void {
  writeFileSync(join(folder, 'part.ts'), `export const part: string = '${text}';\n`);
}

test('a program is what its sources say now, and finds its arguments and what lies beside it', async () => {
  writePart('first');
  expect(await output()).toEqual(['first', folder, []]);
  writePart('second');
  // Several that start at once, each whole.
  const three = await Promise.all([output(), output(), output()]);
  expect(three.map((printed) => (printed as unknown[])[0])).toEqual(['second', 'second', 'second']);
  const failed = await output('--loud', 'x').catch((error: unknown) => error);
  expect(failed).toMatchObject({
    stdout: expect.stringContaining('["--loud","x"]') as string,
    stderr: expect.stringContaining(`${join(folder, 'main.ts')}:3`) as string,
  });
});
