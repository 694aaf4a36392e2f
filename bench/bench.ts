import type { Findings } from './report.ts';

/** One bench. */
export interface Bench {
  /** Whose work is done beside Tributary's, in the same run; nobody's where there is no peer. */
  readonly peers: readonly string[];
  /** Whether `--quick` without names runs it: all of those together take less than three minutes. */
  readonly isQuick: boolean;
  /**
   * Runs it, saying what it finds as it goes.
   *
   * @param quick - fewer rows, seconds and rounds
   */
  run(quick: boolean, say: (text: string) => void): Promise<Findings>;
}

/** `12,345` */
export function count(value: number): string {
  return value.toLocaleString('en-US', { maximumFractionDigits: 0 });
}
