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
const FIRST_MICROS = BigInt(FIRST_MILLIS) * 1_000n;
const END_MICROS = BigInt(END_MILLIS) * 1_000n;

/** Days since 1970 that a date may have, the last excluded. */
export const DATE_BOUNDS = {
  first: FIRST_MILLIS / MILLIS_PER_DAY,
  end: END_MILLIS / MILLIS_PER_DAY,
};
/** Microseconds since 1970 that a timestamp may have, the last excluded. */
export const TIMESTAMP_BOUNDS = { first: FIRST_MICROS, end: END_MICROS };

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
  if (micros < FIRST_MICROS || micros >= END_MICROS) throw outOfRange('DateTime64');
  // Of 58 bits and thus not exact as a number, but exact enough to find the second.
  let second = Math.floor(Number(micros) / 1e6);
  let fraction = Number(micros - BigInt(second) * MICROS_PER_SECOND);
  if (fraction < 0) {
    second -= 1;
    fraction += 1e6;
  } else if (fraction >= 1e6) {
    second += 1;
    fraction -= 1e6;
  }
  return `${secondText(second)}.${fraction.toString().padStart(6, '0')}`;
}

let lastSecond = 0;
let lastSecondText = '1970-01-01 00:00:00';

/** `2024-02-29 12:34:56`; changes of one transaction, and of one second, come together. */
function secondText(second: number): string {
  if (second !== lastSecond) {
    const iso = new Date(second * 1_000).toISOString();
    lastSecondText = `${iso.slice(0, 10)} ${iso.slice(11, 19)}`;
    lastSecond = second;
  }
  return lastSecondText;
}

const ISO_UTC = /^(?:19|2[0-2])\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z$/;

/** Checks a UTC timestamp in ISO form and hands it on. @throws `VALUE_REJECTED` out of range */
export function zonedTimestampText(iso: string): string {
  // ClickHouse reads the T as it reads a space.
  if (!ISO_UTC.test(iso)) throw outOfRange('DateTime64');
  return iso.slice(0, -1);
}

const IN_RANGE = /^(?:19|2[0-2])\d\d-\d\d-\d\d(?: \d\d:\d\d:\d\d(?:\.\d{1,6})?)?$/;

/** Checks a date that Postgres printed and hands it on. @throws `VALUE_REJECTED` out of range */
export function dateOfText(text: string): string {
  if (!IN_RANGE.test(text)) throw outOfRange('Date32');
  return text;
}

/**
 * `2024-02-29 12:34:56.100000` from a timestamp that Postgres printed; a timestamptz in UTC.
 *
 * @throws TributaryError `VALUE_REJECTED` out of range
 */
export function timestampOfText(text: string): string {
  const wall = text.endsWith('+00') ? text.slice(0, -3) : text;
  if (!IN_RANGE.test(wall)) throw outOfRange('DateTime64');
  return `${wall.slice(0, 19)}.${wall.slice(20).padEnd(6, '0')}`;
}

/** `24:00:00` or `12:34:56.123456` from microseconds since midnight. */
export function timeText(micros: bigint): string {
  const two = (part: bigint) => part.toString().padStart(2, '0');
  const seconds = micros / MICROS_PER_SECOND;
  const fraction = micros % MICROS_PER_SECOND;
  const clock = `${two(seconds / 3600n)}:${two((seconds / 60n) % 60n)}:${two(seconds % 60n)}`;
  return fraction === 0n ? clock : `${clock}.${fraction.toString().padStart(6, '0')}`;
}

/** A time that a type of ClickHouse cannot hold. */
export function outOfRange(type: 'Date32' | 'DateTime64'): TributaryError {
  return new TributaryError(
    'VALUE_REJECTED',
    `a value is outside ${FIRST_YEAR}-01-01 to ${LAST_YEAR}-12-31, the range of ${type}`,
  );
}
