import type { ResyncResult } from '../../pipeline/resync/resync-table.ts';

/** What a resync found, in one line. */
export function describeResync(
  label: string,
  { read, written, removed }: ResyncResult,
  tookMs: number,
): string {
  const count = (rows: number) => rows.toLocaleString('en-US');
  const corrected =
    written + removed === 0
      ? 'all were right'
      : `${count(written)} put right, ${count(removed)} removed`;
  return `  ${label}: ${count(read)} rows, ${corrected}, ${(tookMs / 1_000).toFixed(1)} s`;
}
