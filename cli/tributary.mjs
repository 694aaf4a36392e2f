#!/usr/bin/env node
/*
 * The `tributary` command: installs what is missing, then becomes cli/main.ts. Plain Node without
 * dependencies, because in a fresh clone there are none yet.
 *
 * One process, not a launcher with a child: so a signal arrives once, whether a terminal sends it
 * to the whole group or somebody to this pid, and there is no second process to outlive this one.
 */
import { pathToFileURL } from 'node:url';
import { bundleProgram } from '../local/bundle-program.mjs';
import { ensureInstalled } from './bootstrap/install.mjs';

const args = process.argv.slice(2);
const asksForHelp = args.includes('--help') || args.includes('-h');
await ensureInstalled({ jvm: args[0] === 'up' && !asksForHelp });

process.setSourceMapsEnabled(true);
await import(pathToFileURL(await bundleProgram('cli/main.ts')).href);
