import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ROOT } from '../../local/settings.ts';

/*
 * Among tests that run side by side the global `expect` does not know whose it is: what it waits for,
 * by `poll`, fails as soon as another test has begun. So they take `expect` from their own context.
 */
test('no file with tests that run side by side imports the global expect', () => {
  const files = execFileSync('git', ['ls-files', '*.test.ts'], { cwd: ROOT, encoding: 'utf8' });
  const concurrent = files
    .trim()
    .split('\n')
    .map((file) => ({ file, text: readFileSync(join(ROOT, file), 'utf8') }))
    .filter(({ text }) => /\b(?:test|it|describe)\.concurrent\b/.test(text));
  expect(concurrent.map(({ file }) => file)).toContain('pipeline/delivery.e2e.test.ts');
  const importing = concurrent.filter(({ text }) =>
    /import \{[^}]*\bexpect\b[^}]*\} from 'vitest'/.test(text),
  );
  expect(importing.map(({ file }) => file)).toEqual([]);
});
