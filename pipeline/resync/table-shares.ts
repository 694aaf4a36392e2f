/** Blocks of a table that are read in one go; undefined: from its beginning, to its end. */
export interface Share {
  readonly from: number | undefined;
  readonly to: number | undefined;
}

/**
 * Cuts a table into shares that are read side by side. Together they are the whole table, however
 * wrong the number of blocks is; what was appended since is in the last one.
 *
 * @param blocks - how many the table has
 * @param perShare - how many to read in one go
 */
export function sharesOf(blocks: number, perShare: number): Share[] {
  const count = Math.max(1, Math.ceil(blocks / perShare));
  return Array.from({ length: count }, (_, index) => ({
    from: index === 0 ? undefined : index * perShare,
    to: index === count - 1 ? undefined : (index + 1) * perShare,
  }));
}

/** SQL of Postgres: the condition that a row is in a share; a range of rows as they lie on disk. */
export function inShare({ from, to }: Share): string {
  const bounds = [
    from === undefined ? undefined : `ctid >= '(${from},0)'`,
    to === undefined ? undefined : `ctid < '(${to},0)'`,
  ].filter((bound) => bound !== undefined);
  return bounds.length === 0 ? 'true' : bounds.join(' AND ');
}
