import type { Key } from './key-range.ts';

/** What a pass over a table has found: rows to look at more closely. */
export interface Suspects {
  readonly keys: readonly Key[];
  readonly sourceRows: number;
  readonly warehouseRows: number;
  /** Whether there were more than {@link MAX_SUSPECTS}, so that the pass did not list them all. */
  readonly cut: boolean;
}

/** Most rows of a table that are looked at one by one. */
export const MAX_SUSPECTS = 5_000;
