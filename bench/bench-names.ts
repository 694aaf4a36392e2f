/** All benches, in the order in which they are run and shown. */
export const BENCH_NAMES = [
  'first-load',
  'freshness',
  'idle',
  'drain',
  'tables',
  'cost',
  'cluster',
  'gate',
  'shop',
  'verify',
  'drift',
  'marts',
] as const;

/** Name of a bench: of its file, and on the command line. */
export type BenchName = (typeof BENCH_NAMES)[number];
