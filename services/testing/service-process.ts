import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

const READY_DEADLINE_MS = 30_000;

/** A service in a process of its own, which a test can kill and start again. */
export class ServiceProcess implements AsyncDisposable {
  readonly url: string;
  readonly #entry: string;
  readonly #env: NodeJS.ProcessEnv;
  #child: ChildProcess | undefined;
  #starting: Promise<void> = Promise.resolve();
  #over = false;

  private constructor(entry: string, port: number, env: Readonly<Record<string, string>>) {
    this.url = `http://127.0.0.1:${port}`;
    this.#entry = entry;
    this.#env = {
      ...env,
      PATH: process.env['PATH'],
      PORT: String(port),
      LOG_LEVEL: 'fatal',
    };
  }

  /** Starts it and waits until it is ready. */
  static async start(name: string, env: Readonly<Record<string, string>>): Promise<ServiceProcess> {
    const service = new ServiceProcess(`services/${name}/main.ts`, await freePort(), env);
    await service.#start();
    return service;
  }

  /** Ends it as a crash would, and begins to start it again. */
  killAndRestart(): void {
    if (this.#over) return;
    this.#child?.kill('SIGKILL');
    this.#starting = this.#starting.then(async () => this.#start());
  }

  /** Resolves when a start that was begun has ended. */
  async started(): Promise<void> {
    await this.#starting;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over = true;
    await this.#starting.catch(() => undefined);
    this.#child?.kill('SIGKILL');
  }

  async #start(): Promise<void> {
    if (this.#over) return;
    const child = spawn(process.execPath, ['local/run.mjs', this.#entry], {
      env: this.#env,
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    this.#child = child;
    const deadline = Date.now() + READY_DEADLINE_MS;
    while (!this.#over) {
      const ready = await fetch(`${this.url}/health/ready`).then(
        ({ ok }) => ok,
        () => false,
      );
      if (ready) return;
      // Killed again meanwhile: another start follows.
      if (child.signalCode === 'SIGKILL') return;
      if (child.exitCode !== null) throw new Error(`${this.#entry} has ended`);
      if (Date.now() > deadline) throw new Error(`${this.#entry} does not become ready`);
      await delay(50);
    }
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
