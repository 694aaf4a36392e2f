/*
 * `npm run bench`: installs what is missing, then measures. Plain Node without dependencies.
 */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { ensureInstalled, ROOT } from './bootstrap/install.mjs';

await ensureInstalled({ jvm: true });
const child = spawn(
  process.execPath,
  ['--import', 'tsx', join(ROOT, 'bench', 'main.ts'), ...process.argv.slice(2)],
  { stdio: 'inherit' },
);
child.on('close', (code) => process.exit(code ?? 1));
