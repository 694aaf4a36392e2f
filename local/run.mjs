/*
 * Runs a TypeScript program of this checkout, `node local/run.mjs services/users/main.ts …`, as if
 * Node had been given the file that the program is made into. Errors name places in the sources.
 */
import { pathToFileURL } from 'node:url';
import { bundleProgram } from './bundle-program.mjs';

process.setSourceMapsEnabled(true);
const file = await bundleProgram(process.argv[2]);
process.argv.splice(1, 2, file);
await import(pathToFileURL(file).href);
