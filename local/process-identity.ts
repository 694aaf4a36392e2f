import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { messageCode } from '#runtime/errors.ts';

const run = promisify(execFile);

/**
 * A process that can be told from any other: a pid alone is reused sooner or later.
 */
export interface ProcessIdentity {
  readonly pid: number;
  /** When it began, as the system says it; compared as text, never parsed. */
  readonly startedAt: string;
}

/** Identity of a running process; undefined when there is none with this pid. */
export async function identify(pid: number): Promise<ProcessIdentity | undefined> {
  const startedAt = process.platform === 'linux' ? await linuxStart(pid) : await portableStart(pid);
  return startedAt === undefined ? undefined : { pid, startedAt };
}

/** Whether exactly this process runs, not another one with its pid. */
export async function isAlive(identity: ProcessIdentity): Promise<boolean> {
  return (await identify(identity.pid))?.startedAt === identity.startedAt;
}

/**
 * Signals a process and everything in the process group it leads.
 *
 * @returns false when there was nobody to signal
 */
export function signalGroup(pid: number, signal: NodeJS.Signals): boolean {
  try {
    process.kill(-pid, signal);
    return true;
  } catch (error) {
    // EPERM is what some systems say of a group in which only the dead are left.
    if (['ESRCH', 'EPERM'].includes(messageCode(error) ?? '')) return false;
    throw error;
  }
}

/** Ticks since boot, with the boot they count from. @see proc(5), field 22 of stat */
async function linuxStart(pid: number): Promise<string | undefined> {
  try {
    const [stat, boot] = await Promise.all([
      readFile(`/proc/${pid}/stat`, 'utf8'),
      readFile('/proc/sys/kernel/random/boot_id', 'utf8'),
    ]);
    // The command in parentheses may hold spaces and parentheses itself: count from the last one.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const [state] = fields;
    // A zombie has ended; its parent has only not looked yet.
    return state === 'Z' ? undefined : `${boot.trim()}/${fields[19] ?? ''}`;
  } catch {
    return undefined;
  }
}

async function portableStart(pid: number): Promise<string | undefined> {
  try {
    const { stdout } = await run('ps', ['-o', 'lstart=', '-p', String(pid)]);
    return stdout.trim() === '' ? undefined : stdout.trim();
  } catch {
    return undefined;
  }
}
