import { readdir, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { RunRecords } from '../local/run-records.ts';

const RECORDS = 'run';
const STATE = resolve(import.meta.dirname, '..', '.tributary');

/** Folders of the state of what is measured: of whole stacks, and of chosen parts. */
export const STATE_FOLDERS = { stack: join(STATE, 'bench'), parts: join(STATE, 'bench-rig') };

/**
 * Empties a state folder, after ending what a killed run has left running in it.
 *
 * @returns its records, owned by this process
 * @throws TributaryError `STACK_FAILED` while another process has the folder
 */
export async function emptyStateFolder(folder: string): Promise<RunRecords> {
  const records = new RunRecords(join(folder, RECORDS));
  await records.takeOwnership();
  await records.clearLeftovers();
  for (const name of await readdir(folder)) {
    if (name !== RECORDS) await rm(join(folder, name), { recursive: true, force: true });
  }
  return records;
}

/** Ends every process that this one has started in a state folder. */
export async function endEverything(): Promise<void> {
  for (const folder of Object.values(STATE_FOLDERS)) {
    await new RunRecords(join(folder, RECORDS)).clearLeftovers();
  }
}
