/** Value at rank `q` (0 to 1) of values in any order: the smallest that this share does not exceed. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)] ?? Number.NaN;
}

/** The middle value; of an even number of values the lower middle one. */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}
