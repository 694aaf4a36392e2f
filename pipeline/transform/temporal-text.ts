import { TributaryError } from '#runtime/errors.ts';

/*
 * Dates and times as the text ClickHouse reads without interpretation. ClickHouse clamps what is
 * outside its range without a word, so the range is checked here.
 */

const MILLIS_PER_DAY = 86_400_000;
const MICROS_PER_SECOND = 1_000_000n;
const FIRST_YEAR = 1900;
const LAST_YEAR = 2299;
const FIRST_MILLIS = Date.UTC(FIRST_YEAR, 0, 1);
const END_MILLIS = Date.UTC(LAST_YEAR + 1, 0, 1);

/** `2024-02-29` from days since 1970. @throws TributaryError `VALUE_REJECTED` out of range */
export function dateText(days: number): string {
  const millis = days * MILLIS_PER_DAY;
  if (millis < FIRST_MILLIS || millis >= END_MILLIS) throw outOfRange('Date32');
  return new Date(millis).toISOString().slice(0, 10);
}

/**
 * `2024-02-29 12:34:56.123456` from microseconds since 1970 UTC.
 *
 * @throws TributaryError `VALUE_REJECTED` out of range
 */
export function timestampText(micros: bigint): string {
  let millis = micros / 1000n;
  let rest = micros % 1000n;
  if (rest < 0n) {
    rest += 1000n;
    millis -= 1n;
  }
  if (millis < FIRST_MILLIS || millis >= END_MILLIS) throw outOfRange('DateTime64');
  const iso = new Date(Number(millis)).toISOString();
  return `${iso.slice(0, 10)} ${iso.slice(11, 23)}${rest.toString().padStart(3, '0')}`;
}

const ISO_UTC = /^(\d{4})-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z$/;

/** Checks a UTC timestamp in ISO form and hands it on. @throws `VALUE_REJECTED` out of range */
export function zonedTimestampText(iso: string): string {
  const year = Number(ISO_UTC.exec(iso)?.[1] ?? Number.NaN);
  if (!(year >= FIRST_YEAR && year <= LAST_YEAR)) throw outOfRange('DateTime64');
  return `${iso.slice(0, 10)} ${iso.slice(11, -1)}`;
}

/** `24:00:00` or `12:34:56.123456` from microseconds since midnight. */
export function timeText(micros: bigint): string {
  const two = (part: bigint) => part.toString().padStart(2, '0');
  const seconds = micros / MICROS_PER_SECOND;
  const fraction = micros % MICROS_PER_SECOND;
  const clock = `${two(seconds / 3600n)}:${two((seconds / 60n) % 60n)}:${two(seconds % 60n)}`;
  return fraction === 0n ? clock : `${clock}.${fraction.toString().padStart(6, '0')}`;
}

function outOfRange(type: string): TributaryError {
  return new TributaryError(
    'VALUE_REJECTED',
    `a value is outside ${FIRST_YEAR}-01-01 to ${LAST_YEAR}-12-31, the range of ${type}`,
  );
}
