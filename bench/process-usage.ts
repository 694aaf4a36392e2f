import { readFile } from 'node:fs/promises';

/** Clock ticks a second of /proc/<pid>/stat; Linux has had 100 on every platform that Node runs on. */
const TICKS_PER_SECOND = 100;

/** CPU time that a process has used so far, in seconds. */
export async function cpuSeconds(pid: number | undefined): Promise<number> {
  if (pid === undefined) return 0;
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  // The command's name, in parentheses, may hold blanks.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [user, system] = [fields[11], fields[12]];
  return (Number(user) + Number(system)) / TICKS_PER_SECOND;
}

/** Resident memory of a process in MB: now (`VmRSS`), or the most it had (`VmHWM`). */
export async function residentMb(
  pid: number | undefined,
  what: 'VmRSS' | 'VmHWM' = 'VmRSS',
): Promise<number> {
  if (pid === undefined) return 0;
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  return Number(new RegExp(`^${what}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? 0) / 1_024;
}
