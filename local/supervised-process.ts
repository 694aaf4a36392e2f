import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, open, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describeError, TributaryError } from '#runtime/errors.ts';
import { signalGroup } from './process-identity.ts';
import type { RunRecords } from './run-records.ts';

/** How one process of the stack is run. */
export interface ProcessSpec {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  /** Account to run under, when it is not our own. */
  readonly account?: { readonly uid: number; readonly gid: number } | undefined;
  readonly logFile: string;
  /** Whether it is ready for work; may throw, which counts as no. */
  readonly isHealthy: () => Promise<boolean>;
  /** How long it may take to become healthy, in milliseconds. */
  readonly startTimeoutMs: number;
  readonly stopSignal?: NodeJS.Signals;
  /** How long it gets to stop before it is killed, in milliseconds. */
  readonly graceMs: number;
  /** Whether it may end by itself with code 0, having done its work. */
  readonly mayFinish?: boolean;
}

/**
 * States of a process and what happens in them:
 *
 * - `stopped`: not running, not wanted
 * - `starting`: running, not healthy yet
 * - `running`: healthy
 * - `restarting`: ended unexpectedly, about to be started again
 * - `stopping`: told to end
 * - `finished`: ended by itself, as it may
 * - `failed`: ended unexpectedly too often, given up
 */
export type ProcessState =
  'stopped' | 'starting' | 'running' | 'restarting' | 'stopping' | 'finished' | 'failed';

/** Unexpected ends within {@link RESTART_WINDOW_MS} after which a process is given up. */
const MAX_RESTARTS = 5;
const RESTART_WINDOW_MS = 60_000;
const FIRST_RESTART_DELAY_MS = 200;
const HEALTH_POLL_MS = 50;
const LOG_LINES_IN_MESSAGE = 20;

/**
 * One child process in a process group of its own, with a log file, a health check and a bounded
 * restart policy.
 */
export class SupervisedProcess {
  readonly spec: ProcessSpec;
  readonly #records: RunRecords;
  readonly #onFailure: (error: TributaryError) => void;
  #state: ProcessState = 'stopped';
  #child: ChildProcess | undefined;
  #ended: Promise<void> = Promise.resolve();
  #restarts: number[] = [];
  #restarting: Promise<void> = Promise.resolve();
  #finish: () => void = () => undefined;
  /** Resolves when a process that may finish has done so with code 0. */
  readonly finished: Promise<void>;

  /**
   * @param onFailure - told once when the process is given up
   */
  constructor(spec: ProcessSpec, records: RunRecords, onFailure: (error: TributaryError) => void) {
    this.spec = spec;
    this.#records = records;
    this.#onFailure = onFailure;
    this.finished = new Promise((resolve) => (this.#finish = resolve));
  }

  get name(): string {
    return this.spec.name;
  }

  get state(): ProcessState {
    return this.#state;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /**
   * Starts the process and resolves when it is healthy.
   *
   * @throws TributaryError `STACK_FAILED` with the end of its log
   */
  async start(signal?: AbortSignal): Promise<void> {
    if (this.#state === 'running' || this.#state === 'starting') return;
    this.#restarts = [];
    await this.#launch(signal);
  }

  /** Tells it to end, kills what is left after the grace period, resolves when all is gone. */
  async stop(): Promise<void> {
    if (this.#state === 'stopped') return;
    this.#state = 'stopping';
    const child = this.#child;
    if (child?.pid !== undefined && !hasEnded(child)) {
      signalGroup(child.pid, this.spec.stopSignal ?? 'SIGTERM');
      const { pid } = child;
      const killer = setTimeout(() => signalGroup(pid, 'SIGKILL'), this.spec.graceMs);
      await this.#ended;
      clearTimeout(killer);
      // Whatever the process itself did not end.
      signalGroup(pid, 'SIGKILL');
    }
    await this.#restarting;
    await this.#records.remove(this.name);
    this.#state = 'stopped';
  }

  /** Stops and starts it again. */
  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  /** Kills the whole group without a word, as an accident would. The supervisor starts it again. */
  async kill(): Promise<void> {
    const child = this.#child;
    if (child?.pid === undefined) return;
    signalGroup(child.pid, 'SIGKILL');
    await this.#ended;
  }

  /** Resolves when the process is healthy (again). @throws TributaryError `STACK_FAILED` */
  async healthy(): Promise<void> {
    await this.#restarting;
    if (this.#state !== 'running') throw await this.#failure(`is ${this.#state}`);
  }

  async #launch(signal?: AbortSignal): Promise<void> {
    this.#state = 'starting';
    const { command, args, env, cwd, account, logFile } = this.spec;
    await mkdir(dirname(logFile), { recursive: true });
    const log = await open(logFile, 'a');
    const child = spawn(command, args, {
      cwd,
      env,
      detached: true,
      stdio: ['ignore', log.fd, log.fd],
      ...account,
    });
    this.#child = child;
    this.#ended = new Promise((resolve) => {
      child.once('exit', () => resolve());
      child.once('error', () => resolve());
    });
    try {
      await once(child, 'spawn');
    } catch (error) {
      this.#state = 'failed';
      throw new TributaryError(
        'STACK_FAILED',
        `${this.name} could not be started: ${describeError(error)}`,
        {
          cause: error,
          fix: `Check that ${command} is installed and may be run.`,
        },
      );
    } finally {
      await log.close();
    }
    if (child.pid !== undefined) await this.#records.add(this.name, child.pid);
    child.once('exit', (code) => this.#exited(code));
    if (hasEnded(child)) this.#exited(child.exitCode);
    await this.#becomeHealthy(child, signal);
  }

  async #becomeHealthy(child: ChildProcess, signal?: AbortSignal): Promise<void> {
    const deadline = Date.now() + this.spec.startTimeoutMs;
    for (;;) {
      if (this.#state === 'finished') return;
      if (hasEnded(child)) throw await this.#failure('ended while starting');
      signal?.throwIfAborted();
      if (await this.spec.isHealthy().catch(() => false)) {
        if (this.#state === 'starting') this.#state = 'running';
        return;
      }
      if (Date.now() > deadline) {
        throw await this.#failure(`is not ready after ${this.spec.startTimeoutMs / 1000} s`);
      }
      await delay(HEALTH_POLL_MS);
    }
  }

  #exited(code: number | null): void {
    if (this.#state === 'stopping' || this.#state === 'stopped') return;
    if (this.spec.mayFinish === true && code === 0) {
      this.#state = 'finished';
      this.#finish();
      return;
    }
    // While it is starting, whoever started it hears of it and decides.
    if (this.#state !== 'running') return;
    this.#state = 'restarting';
    this.#restarting = this.#relaunch();
  }

  async #relaunch(): Promise<void> {
    let last: TributaryError | undefined;
    for (;;) {
      const now = Date.now();
      this.#restarts = this.#restarts.filter((at) => at > now - RESTART_WINDOW_MS);
      if (this.#restarts.length >= MAX_RESTARTS) {
        this.#state = 'failed';
        this.#onFailure(
          last ?? (await this.#failure(`ended ${MAX_RESTARTS} times within a minute`)),
        );
        return;
      }
      await delay(FIRST_RESTART_DELAY_MS * 2 ** this.#restarts.length);
      if (this.#state !== 'restarting') return;
      this.#restarts.push(now);
      try {
        await this.#launch();
        return;
      } catch (error) {
        if ((this.#state as ProcessState) === 'stopping') return;
        // It may only have been too slow: two of it would fight over the port.
        await this.kill();
        last = error instanceof TributaryError ? error : undefined;
        this.#state = 'restarting';
      }
    }
  }

  async #failure(what: string): Promise<TributaryError> {
    if (this.#state === 'starting') this.#state = 'failed';
    const text = await readFile(this.spec.logFile, 'utf8').catch(() => '');
    const end = text.trim().split('\n').slice(-LOG_LINES_IN_MESSAGE);
    return new TributaryError(
      'STACK_FAILED',
      `${this.name} ${what}; the end of ${this.spec.logFile}:\n${end.map((line) => `    ${line}`).join('\n')}`,
    );
  }
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}
