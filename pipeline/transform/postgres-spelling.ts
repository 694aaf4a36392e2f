import { TributaryError } from '#runtime/errors.ts';

/**
 * A `double precision` as Postgres prints it: the fewest digits that say it exactly, with an exponent
 * of at least two digits outside of 1e-04 to 1e+14.
 */
export function spellDouble(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  if (value === 0) return Object.is(value, -0) ? '-0' : '0';
  const [digits = '', power = ''] = value.toExponential().split('e');
  const exponent = Number(power);
  if (exponent >= -4 && exponent < 15) return String(value);
  const sign = exponent < 0 ? '-' : '+';
  return `${digits}e${sign}${Math.abs(exponent).toString().padStart(2, '0')}`;
}

/*
 * Dates and times as Postgres prints them (DateStyle ISO, time zone UTC), for columns that are kept
 * as text: any year, BC and the infinities. JavaScript's `Date` ends in the year 275760 and a date of
 * Postgres in 5874897, so the calendar is computed here.
 */

const INFINITY = 'infinity';
const MINUS_INFINITY = '-infinity';

// What Debezium sends for the infinities: Postgres's own numbers, moved from its epoch to 1970 and
// overflown by that. No date or timestamp that Postgres takes comes to these.
const DAYS_INFINITY = -2_147_472_692;
const DAYS_MINUS_INFINITY = -2_147_472_691;
const MICROS_INFINITY = 9_223_372_036_825_200_000n;
const MICROS_MINUS_INFINITY = -9_223_372_036_832_400_000n;

/** First day and microsecond of Postgres's calendar, 4714-11-24 BC; what is before has overflown. */
const FIRST_DAY = -2_440_588;
const FIRST_MICROS = BigInt(FIRST_DAY) * 86_400_000_000n;

const MICROS_PER_DAY = 86_400_000_000n;
const MICROS_PER_SECOND = 1_000_000n;

/** `0044-03-15 BC`, `infinity`, from days since 1970. @throws `VALUE_REJECTED` */
export function spellDate(days: number): string {
  if (days === DAYS_INFINITY) return INFINITY;
  if (days === DAYS_MINUS_INFINITY) return MINUS_INFINITY;
  if (days < FIRST_DAY) throw overflown('date');
  const { date, era } = civil(days);
  return date + era;
}

/** `2024-02-29 12:00:00.5`, `infinity`, from microseconds since 1970. @throws `VALUE_REJECTED` */
export function spellTimestamp(micros: bigint): string {
  if (micros === MICROS_INFINITY) return INFINITY;
  if (micros === MICROS_MINUS_INFINITY) return MINUS_INFINITY;
  if (micros < FIRST_MICROS) throw overflown('timestamp');
  let days = micros / MICROS_PER_DAY;
  let ofDay = micros % MICROS_PER_DAY;
  if (ofDay < 0n) {
    days -= 1n;
    ofDay += MICROS_PER_DAY;
  }
  const { date, era } = civil(Number(days));
  const second = Number(ofDay / MICROS_PER_SECOND);
  const clock = [Math.floor(second / 3_600), Math.floor(second / 60) % 60, second % 60]
    .map((part) => pad(part, 2))
    .join(':');
  return `${date} ${clock}${fractionText(pad(Number(ofDay % MICROS_PER_SECOND), 6))}${era}`;
}

const ISO_UTC = /^([+-]?\d{4,6})(-\d\d-\d\d)T(\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?Z$/;

/** `0044-03-15 12:00:00+00 BC`, `infinity`, from Debezium's ISO text. @throws `VALUE_REJECTED` */
export function spellZonedTimestamp(iso: string): string {
  if (iso === INFINITY || iso === MINUS_INFINITY) return iso;
  const [, year, monthAndDay, clock, fraction = ''] = ISO_UTC.exec(iso) ?? [];
  if (year === undefined) {
    throw new TributaryError('VALUE_REJECTED', 'a value does not have the shape of timestamptz');
  }
  const { text, era } = yearText(Number(year));
  return `${text}${monthAndDay} ${clock}${fractionText(fraction)}+00${era}`;
}

/** Month, day and year of a day since 1970 in the proleptic Gregorian calendar. */
function civil(days: number): { date: string; era: string } {
  // Counted from 0000-03-01, so that the leap day is the last of its year; 146097 days repeat.
  const shifted = days + 719_468;
  const cycle = Math.floor(shifted / 146_097);
  const dayOfCycle = shifted - cycle * 146_097;
  const yearOfCycle = Math.floor(
    (dayOfCycle -
      Math.floor(dayOfCycle / 1_460) +
      Math.floor(dayOfCycle / 36_524) -
      Math.floor(dayOfCycle / 146_096)) /
      365,
  );
  const dayOfYear =
    dayOfCycle - (365 * yearOfCycle + Math.floor(yearOfCycle / 4) - Math.floor(yearOfCycle / 100));
  const monthFromMarch = Math.floor((5 * dayOfYear + 2) / 153);
  const day = dayOfYear - Math.floor((153 * monthFromMarch + 2) / 5) + 1;
  const month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9;
  const { text, era } = yearText(yearOfCycle + cycle * 400 + (month <= 2 ? 1 : 0));
  return { date: `${text}-${pad(month, 2)}-${pad(day, 2)}`, era };
}

/** Year 0 is 1 BC. */
function yearText(year: number): { text: string; era: string } {
  return year > 0 ? { text: pad(year, 4), era: '' } : { text: pad(1 - year, 4), era: ' BC' };
}

function fractionText(digits: string): string {
  const significant = digits.replace(/0+$/, '');
  return significant === '' ? '' : `.${significant}`;
}

function pad(part: number, width: number): string {
  return part.toString().padStart(width, '0');
}

function overflown(type: string): TributaryError {
  return new TributaryError(
    'VALUE_REJECTED',
    `a ${type} is beyond what the connector can carry: it overflowed there`,
  );
}
