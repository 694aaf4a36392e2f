import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const ENTRY = 'warehouse/embedded/main.ts';
const START_TIMEOUT_MS = 30_000;
const POLL_MS = 20;

/** How to start a warehouse for a test; everything has a default. */
export interface EmbeddedWarehouseOptions {
  /** Folder of the data; a new one, removed at the end, when not given. */
  readonly dataDir?: string;
  /** Further environment, e.g. `CLICKHOUSE_ANALYST_PASSWORD`. */
  readonly env?: Readonly<Record<string, string>>;
}

/** A real embedded warehouse, a process of its own on a free port of loopback. */
export interface EmbeddedWarehouse extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  readonly dataDir: string;
  readonly pid: number;
  /** What it has logged so far. */
  logs(): string;
  /** Stops it cleanly, keeps the data. @returns its exit code */
  stop(): Promise<number | null>;
  /** Kills it at once (SIGKILL), keeps the data. */
  kill(): Promise<void>;
  /** Starts it again on the same data and port after `stop` or `kill`. */
  start(): Promise<void>;
}

/**
 * Starts a warehouse and waits until it answers. Dispose of it to stop it and remove its data.
 *
 * @throws Error with its log when it does not come up
 */
export async function startEmbeddedWarehouse(
  options: EmbeddedWarehouseOptions = {},
): Promise<EmbeddedWarehouse> {
  const dataDir = options.dataDir ?? (await mkdtemp(join(tmpdir(), 'tributary-warehouse-')));
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  let child: ChildProcess | undefined;
  let log = '';

  async function start(): Promise<void> {
    const started = spawn(process.execPath, ['local/run.mjs', ENTRY], {
      cwd: ROOT,
      env: {
        ...process.env,
        // What this holds: enough threads, so that the process need not start itself again.
        UV_THREADPOOL_SIZE: '40',
        LOG_LEVEL: 'debug',
        ...options.env,
        CLICKHOUSE_DATA_DIR: dataDir,
        CLICKHOUSE_HTTP_PORT: String(port),
      },
      // The channel ends the server when the test process dies, however it dies.
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    child = started;
    for (const stream of [started.stdout, started.stderr]) {
      stream?.on('data', (chunk: Buffer) => (log += chunk.toString('utf8')));
    }
    const deadline = Date.now() + START_TIMEOUT_MS;
    while (!(await answers(url))) {
      if (started.exitCode !== null || started.signalCode !== null || Date.now() > deadline) {
        started.kill('SIGKILL');
        throw new Error(`the embedded warehouse did not come up:\n${log}`);
      }
      await delay(POLL_MS);
    }
  }

  async function end(signal: NodeJS.Signals): Promise<number | null> {
    const ending = child;
    if (ending === undefined) return null;
    if (ending.exitCode === null && ending.signalCode === null) {
      const exited = once(ending, 'exit');
      ending.kill(signal);
      await exited;
    }
    child = undefined;
    return ending.exitCode;
  }

  await start();
  return {
    url,
    port,
    dataDir,
    get pid() {
      return child?.pid ?? 0;
    },
    logs: () => log,
    stop: () => end('SIGTERM'),
    kill: async () => {
      await end('SIGKILL');
    },
    start,
    async [Symbol.asyncDispose]() {
      await end('SIGTERM');
      if (options.dataDir === undefined) await rm(dataDir, { recursive: true, force: true });
    },
  };
}

async function answers(url: string): Promise<boolean> {
  try {
    return (await fetch(`${url}/ping`)).ok;
  } catch {
    return false;
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
