/** How two columns of joined rows agree. */
export interface FieldEvidence {
  readonly copy: string;
  readonly owner: string;
  /** Rows in which the copy has a value. */
  readonly rows: number;
  /** Share of them that equal the owner, 0 to 1. */
  readonly equal: number;
  /** Share that would if rows met by chance. */
  readonly chance: number;
}

/** Fewer values say nothing. */
const LEAST_ROWS = 20;
const LEAST_EQUAL = 0.7;
/** Chance has to explain disagreement so many times over. */
const TIMES_BETTER = 4;

/**
 * Whether a column follows another: most of its values equal it, and far fewer differ than would if
 * the two had nothing to do with each other.
 *
 * @param copy - values of joined rows; NULLs say nothing
 * @param owner - of the same rows
 */
export function follows(
  names: { readonly copy: string; readonly owner: string },
  copy: readonly (string | null)[],
  owner: readonly (string | null)[],
): FieldEvidence | undefined {
  const pairs = copy.flatMap((mine, index) =>
    mine === null ? [] : [[mine, owner[index] ?? null] as const],
  );
  const rows = pairs.length;
  if (rows < LEAST_ROWS) return undefined;
  const equal = pairs.filter(([mine, theirs]) => mine === theirs).length / rows;
  const [mine, theirs] = [counts(pairs.map(([a]) => a)), counts(pairs.map(([, b]) => b))];
  let chance = 0;
  for (const [value, count] of mine) chance += (count / rows) * ((theirs.get(value) ?? 0) / rows);
  const isBetter = 1 - equal <= (1 - chance) / TIMES_BETTER;
  // One value everywhere agrees with itself.
  if (equal < LEAST_EQUAL || chance > 1 - 1 / rows || !isBetter) return undefined;
  return { ...names, rows, equal, chance };
}

function counts(values: readonly (string | null)[]): Map<string | null, number> {
  const result = new Map<string | null, number>();
  for (const value of values) result.set(value, (result.get(value) ?? 0) + 1);
  return result;
}
