import { spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { resolve } from 'node:path';
import { RunRecords } from '../../local/run-records.ts';

const ROOT = resolve(import.meta.dirname, '..', '..');
/** Where `npm test` says, see `cli/test-state.mjs`. */
const TEST_STATE = process.env['TEST_STATE_DIR'] ?? resolve(ROOT, '.tributary', 'test');

/**
 * JVMs of a test do not live for as long as the second compiler tier takes to be worth its while; on
 * two cores it only takes time from everything else.
 */
const TEST_JVM = { JAVA_TOOL_OPTIONS: '-XX:TieredStopAtLevel=1' } as const;

/**
 * Connect that was killed starts again once what it left open is timed out: a minute by default, in
 * which a test learns nothing.
 */
export const TEST_WORKER = { 'producer.transaction.timeout.ms': '15000' } as const;

/** State folder and ports of one end-to-end test, out of the way of a running `npm start`. */
export interface TestPlace {
  readonly stateDir: string;
  readonly portOffset: number;
  readonly env: NodeJS.ProcessEnv;
}

/** A fresh place, made and empty, without what a killed test left running in it. Its logs stay after the test, for whoever has to find out why it failed. */
export async function testPlace(name: string, portOffset: number): Promise<TestPlace> {
  const stateDir = resolve(TEST_STATE, name);
  await new RunRecords(resolve(stateDir, 'run')).clearLeftovers();
  rmSync(stateDir, { recursive: true, force: true });
  mkdirSync(stateDir, { recursive: true });
  return {
    stateDir,
    portOffset,
    env: {
      PATH: process.env['PATH'],
      HOME: process.env['HOME'],
      JAVA_HOME: process.env['JAVA_HOME'],
      ...TEST_JVM,
      TRIBUTARY_STATE_DIR: stateDir,
      TRIBUTARY_PORT_OFFSET: String(portOffset),
    },
  };
}

/** The `tributary` command, running. */
export class RunningCli {
  readonly child: ChildProcess;
  output = '';
  readonly #exit: Promise<number | null>;
  #wake: () => void = () => undefined;

  constructor(args: readonly string[], env: NodeJS.ProcessEnv) {
    this.child = spawn(process.execPath, [resolve(ROOT, 'cli', 'tributary.mjs'), ...args], {
      cwd: ROOT,
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const keep = (chunk: Buffer) => {
      this.output += chunk.toString();
      this.#wake();
    };
    this.child.stdout?.on('data', keep);
    this.child.stderr?.on('data', keep);
    this.#exit = new Promise((done) => this.child.on('close', (code) => done(code)));
  }

  /** Exit code; null when it was killed. */
  exit(): Promise<number | null> {
    return this.#exit;
  }

  /** Resolves when the output holds a text. @throws Error with the output when it ends before */
  async says(text: string): Promise<void> {
    while (!this.output.includes(text)) {
      const ended = await Promise.race([
        this.#exit.then(() => true),
        new Promise<boolean>((done) => {
          this.#wake = () => done(false);
        }),
      ]);
      if (ended && !this.output.includes(text)) {
        throw new Error(`ended without saying "${text}":\n${this.output}`);
      }
    }
  }
}
