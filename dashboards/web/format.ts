import type { Cell, Unit } from '../wire.ts';

const LOCALE = 'en-GB';
const THIN_SPACE = '\u202f';

/** A value as a number; undefined when it is none. */
export function numberOf(cell: Cell | undefined): number | undefined {
  if (typeof cell === 'number') return cell;
  if (typeof cell !== 'string' || cell.trim() === '') return undefined;
  const number = Number(cell);
  return Number.isFinite(number) ? number : undefined;
}

/**
 * A number for people, in its unit.
 *
 * @param currency - ISO 4217 code, for unit `money`
 */
export function formatNumber(value: number, unit: Unit, currency?: string): string {
  switch (unit) {
    case 'money':
      return formatMoney(value, currency);
    case 'percent':
      return formatPercent(value * 100) + THIN_SPACE + '%';
    case 'ms':
      return formatDuration(value);
    case 'bytes':
      return formatBytes(value);
    case 'per_second':
      return plain(value, value < 100 ? 1 : 0) + '/s';
    case 'count':
    default:
      return plain(value, Number.isInteger(value) || Math.abs(value) >= 100 ? 0 : 2);
  }
}

/** A number for an axis, where room is short. */
export function formatShort(value: number, unit: Unit): string {
  if (unit === 'money' || unit === 'count' || unit === 'per_second') {
    return new Intl.NumberFormat(LOCALE, { notation: 'compact', maximumFractionDigits: 1 }).format(
      value,
    );
  }
  return formatNumber(value, unit);
}

function plain(value: number, digits: number): string {
  return new Intl.NumberFormat(LOCALE, { maximumFractionDigits: digits }).format(value);
}

/** A small share is not none: it keeps two digits that say something. */
function formatPercent(value: number): string {
  return value !== 0 && Math.abs(value) < 0.1
    ? new Intl.NumberFormat(LOCALE, { maximumSignificantDigits: 2 }).format(value)
    : plain(value, 1);
}

function formatMoney(value: number, currency: string | undefined): string {
  if (currency === undefined || !/^[A-Z]{3}$/.test(currency)) return plain(value, 2);
  return new Intl.NumberFormat(LOCALE, {
    style: 'currency',
    currency,
    currencyDisplay: 'code',
    minimumFractionDigits: 2,
  }).format(value);
}

/** Milliseconds in the unit that fits. */
export function formatDuration(ms: number): string {
  if (ms < 1_000) return plain(ms, ms < 10 ? 1 : 0) + THIN_SPACE + 'ms';
  if (ms < 120_000) return plain(ms / 1_000, ms < 10_000 ? 2 : 1) + THIN_SPACE + 's';
  if (ms < 7_200_000) return plain(ms / 60_000, ms < 600_000 ? 1 : 0) + THIN_SPACE + 'min';
  if (ms < 172_800_000) return plain(ms / 3_600_000, 0) + THIN_SPACE + 'h';
  return plain(ms / 86_400_000, 0) + THIN_SPACE + 'd';
}

/** How long ago something was; to the tenth of a second while it is fresh. */
export function formatAge(ms: number): string {
  if (ms < 10_000) return (Math.max(ms, 0) / 1_000).toFixed(1) + THIN_SPACE + 's';
  return ms < 120_000 ? plain(ms / 1_000, 0) + THIN_SPACE + 's' : formatDuration(ms);
}

/** A time for an axis, by how much of it is shown. */
export function formatTick(ms: number, spanMs: number): string {
  return new Intl.DateTimeFormat(
    LOCALE,
    spanMs > 2 * 86_400_000
      ? { month: 'short', day: 'numeric' }
      : { hour: '2-digit', minute: '2-digit', ...(spanMs < 600_000 ? { second: '2-digit' } : {}) },
  ).format(ms);
}

/** Bytes in the unit that fits, powers of 1,000. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  const step = bytes < 1 ? 0 : Math.min(Math.floor(Math.log10(bytes) / 3), units.length - 1);
  return plain(bytes / 1_000 ** step, step === 0 ? 0 : 1) + THIN_SPACE + (units[step] ?? 'B');
}

/** A time in the viewer's zone, to the second; the year only when it is not this one. */
export function formatTime(ms: number): string {
  const isThisYear = new Date(ms).getFullYear() === new Date().getFullYear();
  return new Intl.DateTimeFormat(LOCALE, {
    ...(isThisYear ? {} : { year: 'numeric' }),
    month: 'short',
    day: 'numeric',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
  }).format(ms);
}

/** A time for the tip of a chart: no more than its pieces tell. */
export function formatBucket(ms: number, bucketSeconds: number): string {
  return new Intl.DateTimeFormat(LOCALE, {
    month: 'short',
    day: 'numeric',
    ...(bucketSeconds < 86_400 ? { hour: '2-digit', minute: '2-digit' } : {}),
    ...(bucketSeconds < 60 ? { second: '2-digit' } : {}),
  }).format(ms);
}

/** Headings that a name does not give. */
const HEADINGS: Readonly<Record<string, string>> = { t: 'Time', sku: 'SKU' };

/** A heading from the name of a column: `order_number` is `Order number`, `lag_ms` is `Lag (ms)`. */
export function headingOf(column: string): string {
  const words =
    HEADINGS[column] ??
    column
      .replaceAll('_', ' ')
      .replace(/ ms$/, ' (ms)')
      .replace(/ bytes$/, '');
  return words.charAt(0).toUpperCase() + words.slice(1);
}
