import { RANGES, type RangeName } from '../definition/definition.ts';

/** The time that a page shows, in milliseconds since 1970, cut into pieces. */
export interface TimeRange {
  /** A whole number of pieces after 1970. */
  readonly from: number;
  /** Excluded. */
  readonly to: number;
  /** Begin of a time of the same length before it, to compare with. */
  readonly previousFrom: number;
  readonly bucketSeconds: number;
  /** Whether it ends now, whenever that is. */
  readonly isLive: boolean;
}

/** Lengths of pieces that people think in, in seconds. */
const BUCKETS = [1, 5, 10, 30, 60, 300, 900, 1_800, 3_600, 10_800, 21_600, 86_400];
const MOST_BUCKETS = 100;
const LONGEST_MS = 3_660 * 86_400_000;
const FIRST_MS = Date.UTC(1970, 0, 2);

/** Thrown for a time range that makes no sense; the message is for the caller. */
export class BadTimeRange extends Error {}

/**
 * Reads a time range from a page's address: `range=1h`, or `from` and `to` as ISO 8601 times.
 *
 * @param now - milliseconds since 1970
 * @throws BadTimeRange
 */
export function parseTimeRange(
  query: URLSearchParams,
  now: number,
  defaultRange: RangeName,
): TimeRange {
  const from = query.get('from');
  const to = query.get('to');
  if (from === null && to === null) {
    const range = query.get('range') ?? defaultRange;
    if (!Object.hasOwn(RANGES, range)) {
      throw new BadTimeRange(`range must be one of ${Object.keys(RANGES).join(', ')}.`);
    }
    const span = RANGES[range as RangeName] * 1000;
    return cut(now - span, now, true);
  }
  const [start, end] = [Date.parse(from ?? ''), Date.parse(to ?? '')];
  if (Number.isNaN(start) || Number.isNaN(end)) {
    throw new BadTimeRange('from and to must both be times such as 2026-01-31T12:00:00Z.');
  }
  if (start >= end) throw new BadTimeRange('from must be before to.');
  if (end - start > LONGEST_MS || start < FIRST_MS) {
    throw new BadTimeRange('from and to must lie at most ten years apart, after 1970.');
  }
  return cut(start, end, false);
}

/** The piece of a range that begins at a time, as a range of its own. */
export function bucketAt(range: TimeRange, at: number): TimeRange {
  const length = range.bucketSeconds * 1000;
  const from = Math.floor(at / length) * length;
  return { ...range, from, to: Math.min(from + length, range.to), previousFrom: from - length };
}

function cut(start: number, to: number, isLive: boolean): TimeRange {
  const span = to - start;
  const bucketSeconds =
    BUCKETS.find((seconds) => span / (seconds * 1000) <= MOST_BUCKETS) ?? BUCKETS.at(-1) ?? 86_400;
  const length = bucketSeconds * 1000;
  // Else the first piece of a chart would always be less than it was.
  const from = isLive ? Math.floor(start / length) * length : start;
  return { from, to, previousFrom: Math.max(from - (to - from), FIRST_MS), bucketSeconds, isLive };
}
