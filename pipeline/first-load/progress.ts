import type { TableProgress } from './load-ledger.ts';

/** How far the first load of a source is, at a moment. */
export interface LoadProgress {
  readonly source: string;
  readonly tables: readonly TableProgress[];
  /** Since the copying began, in milliseconds. */
  readonly elapsedMs: number;
}

/** A load in numbers for people. */
export interface Pace {
  readonly rows: number;
  /** At least `rows`: what Postgres reckons is often too few. */
  readonly expected: number;
  /** From 0 to 1. */
  readonly share: number;
  readonly rowsPerSecond: number;
  /** Undefined while there is nothing to reckon from. */
  readonly secondsLeft: number | undefined;
}

export function paceOf({ tables, elapsedMs }: LoadProgress): Pace {
  const sum = (count: (table: TableProgress) => number) =>
    tables.reduce((total, table) => total + count(table), 0);
  const rows = sum(({ rowsCopied }) => rowsCopied);
  const expected = sum(({ rowsCopied, rowsExpected, isDone }) =>
    isDone ? rowsCopied : Math.max(rowsCopied, rowsExpected),
  );
  const isDone = tables.every((table) => table.isDone);
  const rowsPerSecond = elapsedMs > 0 ? (rows * 1_000) / elapsedMs : 0;
  return {
    rows,
    expected,
    share: isDone ? 1 : expected === 0 ? 0 : rows / expected,
    rowsPerSecond,
    secondsLeft: isDone ? 0 : rowsPerSecond > 0 ? (expected - rows) / rowsPerSecond : undefined,
  };
}

const WIDTH = 24;

/** One line that says how far a load is: bar, rows, rows/s, time left. */
export function describeProgress(progress: LoadProgress): string {
  const { rows, expected, share, rowsPerSecond, secondsLeft } = paceOf(progress);
  const filled = Math.floor(share * WIDTH);
  const done = progress.tables.filter(({ isDone }) => isDone).length;
  return [
    `${progress.source}  [${'#'.repeat(filled)}${'.'.repeat(WIDTH - filled)}] ${String(Math.floor(share * 100)).padStart(3)} %`,
    `${count(rows)} of ${count(expected)} rows, ${done} of ${progress.tables.length} tables`,
    `${count(Math.round(rowsPerSecond))} rows/s`,
    secondsLeft === undefined ? 'time left unknown' : `${clock(secondsLeft)} left`,
  ].join('  ');
}

function count(value: number): string {
  return value.toLocaleString('en-US');
}

function clock(seconds: number): string {
  const whole = Math.ceil(seconds);
  const parts = [Math.floor(whole / 60) % 60, whole % 60].map((part) =>
    String(part).padStart(2, '0'),
  );
  return [Math.floor(whole / 3_600), ...parts].join(':');
}
