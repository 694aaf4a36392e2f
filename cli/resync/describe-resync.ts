import { resyncOutcome } from '../../pipeline/operations/resync-tables.ts';
import type { ResyncResult } from '../../pipeline/resync/resync-table.ts';

/** What a resync found, in one line. */
export function describeResync(label: string, result: ResyncResult, tookMs: number): string {
  return `  ${label}: ${resyncOutcome(result)}, ${(tookMs / 1_000).toFixed(1)} s`;
}
