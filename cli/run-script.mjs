/*
 * `npm run bench`, `npm run soak`: installs what is missing, then runs a TypeScript file of this
 * checkout. Plain Node without dependencies.
 */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { ensureInstalled, ROOT } from './bootstrap/install.mjs';

const [file, ...args] = process.argv.slice(2);
await ensureInstalled({ jvm: true });
const child = spawn(process.execPath, [join(ROOT, 'local', 'run.mjs'), file, ...args], {
  stdio: 'inherit',
});
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
child.on('close', (code) => process.exit(code ?? 1));
