import type { StopSignal } from './run-records.ts';

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
  /** @defaultValue SIGTERM */
  readonly stopSignal?: StopSignal;
  /** How long it gets to stop before it is killed, in milliseconds. */
  readonly graceMs: number;
  /**
   * Work to do beside it whenever it has become healthy; nobody waits for it, and what goes wrong in it
   * is nobody's failure.
   *
   * @param signal - aborts when the process ends
   */
  readonly afterLaunch?: (signal: AbortSignal) => Promise<void>;
  /** Whether it may end by itself with code 0, having done its work. */
  readonly mayFinish?: boolean;
}
