/** A row's primary key: the canonical text of each of its columns. */
export type Key = readonly string[];

/** The keys above `after` up to and including `upTo`; without one of them, open to that side. */
export interface KeyRange {
  readonly after?: Key;
  readonly upTo?: Key;
}

/** What one side holds in a range. */
export interface RangeSum {
  readonly rows: number;
  /** Sum of the rows' hashes, in decimal: it does not depend on their order. */
  readonly hash: string;
}

/** A row by its key, with the hash of all its columns. */
export interface RowHash {
  readonly key: Key;
  readonly hash: string;
}

/** One text for a key, for use in maps. */
export function keyId(key: Key): string {
  return JSON.stringify(key);
}

/** Ranges that follow one another and together are `range`, cut after each of `cuts`. */
export function cutRange(range: KeyRange, cuts: readonly Key[]): KeyRange[] {
  const ends = [...cuts, range.upTo];
  return ends.map((upTo, index) => {
    const after = index === 0 ? range.after : cuts[index - 1];
    return {
      ...(after === undefined ? {} : { after }),
      ...(upTo === undefined ? {} : { upTo }),
    };
  });
}

/** Whether two sides hold the same in a range, but for a collision of 64 bits. */
export function sameSum(a: RangeSum, b: RangeSum): boolean {
  return a.rows === b.rows && a.hash === b.hash;
}

/** Keys of the rows that only one side has, or that the sides have differently. */
export function differingKeys(source: readonly RowHash[], warehouse: readonly RowHash[]): Key[] {
  const rest = new Map(warehouse.map((row) => [keyId(row.key), row]));
  const keys: Key[] = [];
  for (const { key, hash } of source) {
    const id = keyId(key);
    if (rest.get(id)?.hash !== hash) keys.push(key);
    rest.delete(id);
  }
  return [...keys, ...[...rest.values()].map(({ key }) => key)];
}

/** Rows in the first read of a table: few, for they may be large. */
export const FIRST_ROWS = 200;
const MIN_ROWS = 10;
const MAX_ROWS = 16_384;
/** How long a read of the source should take, in milliseconds. */
const READ_MS = 200;

/** How many rows to read next, after a read of `rows` took `tookMs`: so that each one is short. */
export function nextRows(rows: number, tookMs: number): number {
  const wanted = Math.round((rows * READ_MS) / Math.max(tookMs, 1));
  // At most twice and at least a quarter: one slow moment says little.
  const step = Math.min(Math.max(wanted, Math.floor(rows / 4)), rows * 2);
  return Math.min(Math.max(step, MIN_ROWS), MAX_ROWS);
}
