import { link, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { messageCode, TributaryError } from '#runtime/errors.ts';
import { identify, isAlive, signalGroup, type ProcessIdentity } from './process-identity.ts';

const SIGNALS = ['SIGTERM', 'SIGINT'] as const;

/** Signal by which a process ends in good order. */
export type StopSignal = (typeof SIGNALS)[number];

const record = z.object({
  pid: z.number().int().min(2),
  startedAt: z.string(),
  stopSignal: z.enum(SIGNALS).default('SIGTERM'),
});
type RunRecord = z.output<typeof record>;

const OWNER = 'owner';

/** How long leftovers get to end in good order, in milliseconds. */
const GRACE_MS = 15_000;
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
    const ours = await this.#writeAside(OWNER, process.pid, 'SIGTERM');
    try {
      for (;;) {
        try {
          // Unlike a rename, a link never replaces: of two that try, one gets it.
          await link(ours, this.#path(OWNER));
          return;
        } catch (error) {
          if (messageCode(error) !== 'EEXIST') throw error;
        }
        await this.refuseIfOwned();
        await this.remove(OWNER);
      }
    } finally {
      await rm(ours, { force: true });
    }
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

  /** Records a running process, with the signal that ends it in good order. */
  async add(name: string, pid: number, stopSignal: StopSignal = 'SIGTERM'): Promise<void> {
    // Whole or not at all: a half-written record would leave its process running for ever.
    await rename(await this.#writeAside(name, pid, stopSignal), this.#path(name));
  }

  async remove(name: string): Promise<void> {
    await rm(this.#path(name), { force: true });
  }

  /**
   * Ends what an earlier, killed run left behind.
   *
   * @param layers - patterns of names, in the order in which they are ended; others come last
   * @returns names of what was ended
   */
  async clearLeftovers(layers: readonly RegExp[] = []): Promise<string[]> {
    const names = (await this.#names()).filter((name) => name !== OWNER);
    const ended: string[] = [];
    for (const layer of [...layers, /./]) {
      const members = names.filter((name) => layer.test(name));
      ended.push(...(await this.#clear(members)));
    }
    return ended;
  }

  async #clear(names: readonly string[]): Promise<string[]> {
    const ended = await Promise.all(
      names.map(async (name) => {
        const leftover = await this.#read(name);
        const found = leftover !== undefined && (await isAlive(leftover));
        if (found) await endGroup(leftover);
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

  async #read(name: string): Promise<RunRecord | undefined> {
    try {
      return record.parse(JSON.parse(await readFile(this.#path(name), 'utf8')));
    } catch {
      // No record, or none of ours: nothing to go by.
      return undefined;
    }
  }

  /** @returns path of a complete record that does not stand in its place yet */
  async #writeAside(name: string, pid: number, stopSignal: StopSignal): Promise<string> {
    const aside = `${this.#path(name)}.${process.pid}`;
    // A process that is gone already gets a record that matches nobody.
    const identity: ProcessIdentity = (await identify(pid)) ?? { pid, startedAt: '' };
    await writeFile(aside, JSON.stringify({ ...identity, stopSignal }));
    return aside;
  }

  #path(name: string): string {
    return join(this.#folder, `${name}.json`);
  }
}

/** The signal it stops by, then SIGKILL for what is left of the group; resolves when it is gone. */
async function endGroup(leftover: RunRecord): Promise<void> {
  signalGroup(leftover.pid, leftover.stopSignal);
  await gone(leftover, GRACE_MS);
  signalGroup(leftover.pid, 'SIGKILL');
  // Its ports are wanted next: not before the system has taken it away.
  await gone(leftover, GRACE_MS);
}

async function gone(identity: ProcessIdentity, withinMs: number): Promise<void> {
  const deadline = Date.now() + withinMs;
  while ((await isAlive(identity)) && Date.now() < deadline) await delay(POLL_MS);
}
