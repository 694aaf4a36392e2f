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
  // A group of its own: what the terminal sends on Ctrl-C reaches it once, through us.
  detached: true,
  env: { ...process.env, NODE_PATH: undefined },
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => child.kill(signal));
}
child.on('close', (code, signal) => process.exit(code ?? (signal === null ? 1 : 128)));
