#!/usr/bin/env node
/*
 * The `tributary` command: installs what is missing, then hands over to cli/main.ts. Plain Node
 * without dependencies, because in a fresh clone there are none yet.
 */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { ensureInstalled, ROOT } from './bootstrap/install.mjs';

const args = process.argv.slice(2);
const asksForHelp = args.includes('--help') || args.includes('-h');
await ensureInstalled({ jvm: args[0] === 'up' && !asksForHelp });

const child = spawn(process.execPath, ['--import', 'tsx', join(ROOT, 'cli', 'main.ts'), ...args], {
  stdio: 'inherit',
});
// A terminal sends Ctrl-C to both of us, a script only to this process: main.ts takes the same
// signal twice within a moment for one.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => child.kill(signal));
}
child.on('close', (code, signal) => process.exit(code ?? (signal === null ? 1 : 128)));
