import { spawn, type ChildProcess, type StdioOptions } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { describeError, TributaryError } from '#runtime/errors.ts';
import { signalGroup } from './process-identity.ts';
import { lastLines, openLog } from './process-log.ts';
import type { ProcessSpec } from './process-spec.ts';
import { nextState, type ProcessState } from './process-state.ts';
import type { RunRecords } from './run-records.ts';

/** Restarts within {@link RESTART_WINDOW_MS} after which a process that ends again is given up. */
const MAX_RESTARTS = 5;
const RESTART_WINDOW_MS = 60_000;
const FIRST_RESTART_DELAY_MS = 100;
const FIRST_POLL_MS = 25;
const LONGEST_POLL_MS = 250;
const POLL_FACTOR = 1.3;
const LINES_IN_MESSAGE = 20;

/**
 * One child process, leader of a process group of its own, with a log file, a health check and a
 * bounded restart policy. See {@link ProcessState} for its life.
 */
export class SupervisedProcess {
  readonly spec: ProcessSpec;
  /** Resolves when a process that may finish has done so with code 0. */
  readonly finished: Promise<void>;
  readonly #records: RunRecords;
  readonly #onFailure: (error: TributaryError) => void;
  #state: ProcessState = 'stopped';
  #child: ChildProcess | undefined;
  #ended: Promise<void> = Promise.resolve();
  #stopped: Promise<void> = Promise.resolve();
  /** The launch, or the row of relaunches, under way; never rejects. */
  #settled: Promise<void> = Promise.resolve();
  #backoff = new AbortController();
  #beside = new AbortController();
  #restarts: number[] = [];
  #logFrom = 0;
  #finish: () => void = () => undefined;

  /**
   * @param onFailure - told when the process, once healthy, is given up
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
   * Starts the process and resolves when it is healthy. A process that does not get there is gone
   * afterwards; one whose start `signal` aborted still runs: call {@link stop}.
   *
   * @throws TributaryError `STACK_FAILED` with the end of its log
   */
  async start(signal?: AbortSignal): Promise<void> {
    if (this.#is('stopping')) await this.#stopped;
    if (this.#is('starting', 'running', 'restarting')) return this.healthy();
    this.#restarts = [];
    this.#to('starting');
    const launch = this.#launch(signal);
    this.#settled = launch.catch(() => undefined);
    try {
      await launch;
    } catch (error) {
      if (signal?.aborted === true || !this.#is('starting')) throw error;
      await this.#end('SIGKILL');
      if (this.#is('starting')) this.#to('failed');
      throw error;
    }
  }

  /** Tells it to end, kills what is left after the grace period, resolves when all is gone. */
  async stop(): Promise<void> {
    return this.#stop(this.spec.stopSignal ?? 'SIGTERM');
  }

  /** Stops and starts it again. */
  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  /**
   * Kills the whole group without a word, as an accident would. It is then started again, as after
   * any accident, unless `restart` is false: then it stays down until {@link start}.
   */
  async kill({ restart = true }: { restart?: boolean } = {}): Promise<void> {
    if (restart) await this.#end('SIGKILL');
    else await this.#stop('SIGKILL');
  }

  /** Resolves when the process is healthy (again). @throws TributaryError `STACK_FAILED` */
  async healthy(): Promise<void> {
    await this.#settled;
    if (!this.#is('running')) throw await this.#failure(`is ${this.#state}`);
  }

  /** A method, because the state changes during every `await`, which the compiler does not see. */
  #is(...states: readonly ProcessState[]): boolean {
    return states.includes(this.#state);
  }

  #to(state: ProcessState): void {
    this.#state = nextState(this.#state, state);
  }

  async #launch(signal?: AbortSignal): Promise<void> {
    const log = await openLog(this.spec.logFile);
    let child: ChildProcess;
    try {
      if (!this.#is('starting')) throw await this.#failure('was stopped before it started');
      this.#logFrom = log.from;
      child = await this.#spawn(log.file.fd);
    } finally {
      await log.file.close();
    }
    if (child.pid !== undefined) {
      await this.#records.add(this.name, child.pid, this.spec.stopSignal);
    }
    await this.#becomeHealthy(child, signal);
    if (hasEnded(child)) return;
    this.#beside = new AbortController();
    this.spec.afterLaunch?.(this.#beside.signal).catch(() => undefined);
  }

  async #spawn(output: number): Promise<ChildProcess> {
    const { command, args, env, cwd, account } = this.spec;
    const stdio = ['ignore', output, output] satisfies StdioOptions;
    const child = spawn(command, args, { cwd, env, detached: true, stdio, ...account });
    this.#child = child;
    this.#ended = new Promise((resolve) => {
      child.once('exit', (code) => {
        this.#exited(child, code);
        resolve();
      });
      child.once('error', () => resolve());
    });
    try {
      await once(child, 'spawn');
    } catch (error) {
      throw new TributaryError(
        'STACK_FAILED',
        `${this.name} could not be started: ${describeError(error)}`,
        { cause: error, fix: `Check that ${command} is installed and may be run.` },
      );
    }
    return child;
  }

  async #becomeHealthy(child: ChildProcess, signal?: AbortSignal): Promise<void> {
    const { startTimeoutMs, isHealthy } = this.spec;
    const deadline = Date.now() + startTimeoutMs;
    for (let pause = FIRST_POLL_MS; ; pause = Math.min(pause * POLL_FACTOR, LONGEST_POLL_MS)) {
      if (this.#is('finished')) return;
      if (!this.#is('starting')) throw await this.#failure('was stopped while starting');
      if (hasEnded(child)) throw await this.#failure('ended while starting');
      signal?.throwIfAborted();
      // Something else may have answered in its place: only a live process is healthy.
      const healthy = (await isHealthy().catch(() => false)) && !hasEnded(child);
      if (healthy && this.#is('starting')) {
        this.#to('running');
        return;
      }
      if (Date.now() > deadline) {
        throw await this.#failure(`is not ready after ${startTimeoutMs / 1000} s`);
      }
      await delay(pause);
    }
  }

  #exited(child: ChildProcess, code: number | null): void {
    this.#beside.abort();
    // What it had started itself goes with it, or the next life would find it in the way.
    if (child.pid !== undefined) signalGroup(child.pid, 'SIGKILL');
    if (this.spec.mayFinish === true && code === 0 && this.#is('starting', 'running')) {
      this.#to('finished');
      this.#finish();
      return;
    }
    // While starting, whoever waits for the start hears of it.
    if (!this.#is('running')) return;
    this.#to('restarting');
    this.#settled = this.#relaunch();
  }

  async #relaunch(): Promise<void> {
    for (;;) {
      const now = Date.now();
      this.#restarts = this.#restarts.filter((at) => at > now - RESTART_WINDOW_MS);
      if (this.#restarts.length >= MAX_RESTARTS) {
        return this.#giveUp(await this.#failure(`ended ${MAX_RESTARTS + 1} times within a minute`));
      }
      this.#backoff = new AbortController();
      await delay(FIRST_RESTART_DELAY_MS * 2 ** this.#restarts.length, undefined, {
        signal: this.#backoff.signal,
      }).catch(() => undefined);
      if (!this.#is('restarting')) return;
      this.#restarts.push(now);
      this.#to('starting');
      try {
        return await this.#launch();
      } catch (error) {
        if (!this.#is('starting')) return;
        const hangs = this.#child !== undefined && !hasEnded(this.#child);
        await this.#end('SIGKILL');
        if (!this.#is('starting')) return;
        this.#to('restarting');
        // One that ran into its deadline, or cannot be launched at all, gets no further chance.
        if (hangs) {
          return this.#giveUp(
            error instanceof TributaryError ? error : await this.#failure(describeError(error)),
          );
        }
      }
    }
  }

  #giveUp(error: TributaryError): void {
    if (!this.#is('restarting')) return;
    this.#to('failed');
    // Whatever the listener does, it is not a part of this process's life.
    queueMicrotask(() => this.#onFailure(error));
  }

  async #stop(signal: NodeJS.Signals): Promise<void> {
    if (this.#is('stopped')) return;
    if (!this.#is('stopping')) {
      this.#to('stopping');
      this.#stopped = this.#wind(signal);
    }
    await this.#stopped;
  }

  async #wind(signal: NodeJS.Signals): Promise<void> {
    this.#backoff.abort();
    await this.#end(signal);
    await this.#settled;
    await this.#records.remove(this.name);
    this.#to('stopped');
  }

  /** Ends the child and its group; resolves when the child is gone. */
  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (child?.pid === undefined || hasEnded(child)) return;
    const { pid } = child;
    signalGroup(pid, signal);
    const killer = setTimeout(() => signalGroup(pid, 'SIGKILL'), this.spec.graceMs);
    await this.#ended;
    clearTimeout(killer);
  }

  async #failure(what: string): Promise<TributaryError> {
    const { logFile } = this.spec;
    const lines = await lastLines(logFile, this.#logFrom, LINES_IN_MESSAGE);
    const log = lines.map((line) => `\n    ${line}`).join('');
    return new TributaryError(
      'STACK_FAILED',
      `${this.name} ${what}; ${lines.length === 0 ? 'it said nothing' : 'the end of what it said'} (${logFile})${log}`,
    );
  }
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}
