import type { Ratio } from './report.ts';

/**
 * Share of a recorded ratio that a run must at least reach. Times differ by far more between runs on
 * a busy machine; what is run in turn on the same machine suffers alike.
 */
export const LEAST_SHARE = 0.6;

/** What is worse than recorded by more than noise explains, a sentence each. */
export function regressions(recorded: readonly Ratio[], now: readonly Ratio[]): string[] {
  return recorded.flatMap(({ what, value }) => {
    const found = now.find((ratio) => ratio.what === what);
    if (found === undefined) return [`${what}: not measured any more`];
    const least = value * LEAST_SHARE;
    return found.value >= least
      ? []
      : [
          `${what}: ${found.value.toFixed(2)}, recorded ${value.toFixed(2)}, at least ${least.toFixed(2)} is expected`,
        ];
  });
}
