import type { LoadStatus } from '../../pipeline/first-load/load-ledger.ts';
import { describeProgress } from '../../pipeline/first-load/progress.ts';

/** Whoever copies writes down every second how far it is. */
const SILENT_MS = 15_000;

/** A line per first load that is under way, and what to do where there is something to do. */
export function describeLoads(
  loads: readonly LoadStatus[],
  pauses: ReadonlyMap<string, number>,
  now: number,
): string[] {
  return loads.flatMap(({ source, state, startedAt, heardAt, tables }) => {
    const pausedAt = pauses.get(source);
    const elapsedMs = (pausedAt ?? Math.max(heardAt, startedAt)) - startedAt;
    const line = describeProgress({ source, tables, elapsedMs: Math.max(0, elapsedMs) });
    if (now - heardAt > SILENT_MS) {
      const next = state === 'copied' ? 'makes its connector' : `copies ${source} anew`;
      return [`${line}  nobody is at it`, `  → tributary connectors apply, or up: ${next}`];
    }
    if (pausedAt === undefined) return [line];
    return [
      `${line}  paused for ${Math.round((now - pausedAt) / 1_000)} s; its slot keeps the log meanwhile`,
      `  → tributary first-load resume ${source}`,
    ];
  });
}
