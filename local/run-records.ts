import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { messageCode, TributaryError } from '#runtime/errors.ts';
import { identify, isAlive, signalGroup, type ProcessIdentity } from './process-identity.ts';

const record = z.object({ pid: z.number().int(), startedAt: z.string() });
const OWNER = 'owner';

/** How long leftovers get to end in good order, in milliseconds. */
const GRACE_MS = 8_000;
const POLL_MS = 50;

/**
 * The processes of one state folder, on disk: so that a start after `kill -9` finds what the last
 * one left running, by pid and start time, never by name.
 */
export class RunRecords {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /**
   * Takes the state folder for this process.
   *
   * @throws TributaryError `STACK_FAILED` while another live process has it
   */
  async takeOwnership(): Promise<void> {
    await mkdir(this.#folder, { recursive: true });
    await this.refuseIfOwned();
    await this.add(OWNER, process.pid);
  }

  /** @throws TributaryError `STACK_FAILED` while another live process has the state folder */
  async refuseIfOwned(): Promise<void> {
    const owner = await this.#read(OWNER);
    if (owner === undefined || owner.pid === process.pid || !(await isAlive(owner))) return;
    throw new TributaryError(
      'STACK_FAILED',
      `Tributary already runs here, as process ${owner.pid}`,
      {
        fix: 'Use that one, stop it with Ctrl-C, or give this one a state folder and ports of its own: TRIBUTARY_STATE_DIR, TRIBUTARY_PORT_OFFSET.',
      },
    );
  }

  async releaseOwnership(): Promise<void> {
    await this.remove(OWNER);
  }

  async add(name: string, pid: number): Promise<void> {
    const identity = await identify(pid);
    if (identity !== undefined) await writeFile(this.#path(name), JSON.stringify(identity));
  }

  async remove(name: string): Promise<void> {
    await rm(this.#path(name), { force: true });
  }

  /**
   * Ends what an earlier, killed run left behind.
   *
   * @returns names of what was ended
   */
  async clearLeftovers(): Promise<string[]> {
    const names = (await this.#names()).filter((name) => name !== OWNER);
    const ended = await Promise.all(
      names.map(async (name) => {
        const identity = await this.#read(name);
        const found = identity !== undefined && (await isAlive(identity));
        if (found) await endGroup(identity);
        await this.remove(name);
        return found ? [name] : [];
      }),
    );
    return ended.flat();
  }

  async #names(): Promise<string[]> {
    try {
      const files = await readdir(this.#folder);
      return files.filter((file) => file.endsWith('.json')).map((file) => file.slice(0, -5));
    } catch (error) {
      if (messageCode(error) === 'ENOENT') return [];
      throw error;
    }
  }

  async #read(name: string): Promise<ProcessIdentity | undefined> {
    try {
      return record.parse(JSON.parse(await readFile(this.#path(name), 'utf8')));
    } catch {
      // No record, or one that was being written when the power went: nothing to go by.
      return undefined;
    }
  }

  #path(name: string): string {
    return join(this.#folder, `${name}.json`);
  }
}

/** SIGTERM, then SIGKILL for what is left of the group. */
async function endGroup(identity: ProcessIdentity): Promise<void> {
  signalGroup(identity.pid, 'SIGTERM');
  const deadline = Date.now() + GRACE_MS;
  while (Date.now() < deadline) {
    if (!(await isAlive(identity))) break;
    await delay(POLL_MS);
  }
  signalGroup(identity.pid, 'SIGKILL');
}
