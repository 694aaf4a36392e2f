import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chown, mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import pg from 'pg';
import {
  postgresBinaries,
  unprivilegedAccount,
  type Account,
  type PostgresBinaries,
} from '../../local/postgres-binaries.ts';

const run = promisify(execFile);

const START_DEADLINE_MS = 30_000;
const STOP_DEADLINE_MS = 20_000;
const SUPERUSER = 'postgres';

/**
 * Small, and quick: a test's data need not survive a power cut. It does survive a crash of the
 * server, which is why synchronous_commit stays on.
 */
const SETTINGS = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  timezone: 'UTC',
  log_timezone: 'UTC',
  fsync: 'off',
  full_page_writes: 'off',
  shared_buffers: '32MB',
  io_method: 'sync',
  max_connections: '80',
} as const;

/**
 * Ends the server and removes its files once our end of its standard input closes, which the
 * kernel sees to even when the test process is killed. A line of text calls it off.
 */
const WATCHDOG = `
read line
[ "$line" = off ] && exit 0
kill -QUIT "$1" 2>/dev/null
while kill -0 "$1" 2>/dev/null; do sleep 0.1; done
rm -rf "$2"
`;

/** What {@link OwnPostgres.create} may be told. */
export interface OwnPostgresOptions {
  readonly walLevel?: 'replica' | 'logical';
  readonly settings?: Readonly<Record<string, string>>;
}

/** A PostgreSQL server process of the test's own, with its data in the temporary directory. */
export class OwnPostgres {
  readonly adminUrl: string;
  readonly #folder: string;
  readonly #arguments: readonly string[];
  readonly #binaries: PostgresBinaries;
  readonly #account: Account | undefined;
  #server: ChildProcess | undefined;
  #watchdog: ChildProcess | undefined;

  private constructor(parts: {
    folder: string;
    port: number;
    password: string;
    settings: Readonly<Record<string, string>>;
    binaries: PostgresBinaries;
    account: Account | undefined;
  }) {
    this.#folder = parts.folder;
    this.#binaries = parts.binaries;
    this.#account = parts.account;
    this.#arguments = Object.entries(parts.settings).flatMap(([name, value]) => [
      '-c',
      `${name}=${value}`,
    ]);
    this.adminUrl = `postgres://${SUPERUSER}:${parts.password}@127.0.0.1:${parts.port}/postgres`;
  }

  /** Makes the data directory and starts the server; resolves when it answers. */
  static async create(options: OwnPostgresOptions = {}): Promise<OwnPostgres> {
    const binaries = await postgresBinaries();
    const account = await unprivilegedAccount();
    const folder = await mkdtemp(join(tmpdir(), 'tributary-test-pg-'));
    try {
      const password = randomBytes(12).toString('hex');
      const passwordFile = join(folder, 'password');
      await writeFile(passwordFile, password, { mode: 0o600 });
      if (account !== undefined) {
        await chown(folder, account.uid, account.gid);
        await chown(passwordFile, account.uid, account.gid);
      }
      await initialize(binaries, folder, passwordFile, account);
      const port = await freePort();
      const settings = {
        ...SETTINGS,
        wal_level: options.walLevel ?? 'replica',
        ...options.settings,
        port: String(port),
      };
      const server = new OwnPostgres({ folder, port, password, settings, binaries, account });
      await server.start();
      return server;
    } catch (error) {
      await rm(folder, { recursive: true, force: true });
      throw error;
    }
  }

  /** Starts the server and waits until it answers. Does nothing when it runs already. */
  async start(): Promise<void> {
    if (this.#server !== undefined) return;
    const log = await open(join(this.#folder, 'server.log'), 'a');
    const server = spawn(
      this.#binaries.postgres,
      ['-D', join(this.#folder, 'data'), ...this.#arguments],
      { cwd: this.#folder, stdio: ['ignore', log.fd, log.fd], ...this.#account },
    );
    await once(server, 'spawn');
    await log.close();
    this.#server = server;
    this.#watchdog = watch(server, this.#folder);
    try {
      await this.#answer(server);
    } catch (error) {
      const lines = (await readFile(join(this.#folder, 'server.log'), 'utf8')).trim().split('\n');
      await this.stop('immediate');
      throw new Error(`the test server did not start:\n${lines.slice(-10).join('\n')}`, {
        cause: error,
      });
    }
  }

  /** Ends the server and keeps its data. Does nothing when it is stopped already. */
  async stop(mode: 'fast' | 'immediate'): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    this.#server = undefined;
    if (!hasEnded(server)) {
      const exited = once(server, 'exit');
      server.kill(mode === 'fast' ? 'SIGINT' : 'SIGQUIT');
      const killer = setTimeout(() => server.kill('SIGKILL'), STOP_DEADLINE_MS);
      await exited;
      clearTimeout(killer);
    }
    this.#watchdog?.stdin?.end('off\n');
    this.#watchdog = undefined;
  }

  /** Ends the server and removes everything it wrote. */
  async remove(): Promise<void> {
    await this.stop('immediate');
    await rm(this.#folder, { recursive: true, force: true, maxRetries: 3 });
  }

  async #answer(server: ChildProcess): Promise<void> {
    const deadline = Date.now() + START_DEADLINE_MS;
    for (;;) {
      const client = new pg.Client({
        connectionString: this.adminUrl,
        connectionTimeoutMillis: 2_000,
      });
      client.on('error', () => {});
      try {
        await client.connect();
        await client.query('SELECT 1');
        return;
      } catch (error) {
        if (hasEnded(server) || Date.now() > deadline) throw error;
        await sleep(25);
      } finally {
        await client.end().catch(() => {});
      }
    }
  }
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

function watch(server: ChildProcess, folder: string): ChildProcess {
  const watchdog = spawn('/bin/sh', ['-c', WATCHDOG, 'watchdog', String(server.pid), folder], {
    // Its own process group, so that Ctrl-C in the terminal does not end it before its work.
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  watchdog.on('error', () => {});
  watchdog.stdin?.on('error', () => {});
  // Neither child may keep a finished test process waiting.
  watchdog.unref();
  server.unref();
  return watchdog;
}

async function initialize(
  binaries: PostgresBinaries,
  folder: string,
  passwordFile: string,
  account: Account | undefined,
): Promise<void> {
  try {
    await run(
      binaries.initdb,
      [
        `--pgdata=${join(folder, 'data')}`,
        `--username=${SUPERUSER}`,
        `--pwfile=${passwordFile}`,
        '--auth=scram-sha-256',
        '--encoding=UTF8',
        '--locale=C',
        '--no-sync',
      ],
      { cwd: folder, ...account },
    );
  } catch (cause) {
    throw new Error(
      `initdb failed; when running as root, uid ${account?.uid ?? 'of the postgres account'} must be able to read ${binaries.initdb}`,
      { cause },
    );
  }
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, 'close');
  return port;
}
