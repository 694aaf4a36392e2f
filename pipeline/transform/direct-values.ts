import type avro from 'avsc';
import { TributaryError } from '#runtime/errors.ts';
import type { AvroCursor } from '../avro/avro-cursor.ts';
import { partsOf } from '../avro/avro-skip.ts';
import { decodeAt } from '../avro/decoder.ts';
import type { Column } from '../columnar/column.ts';
import type { FixedColumn } from '../columnar/fixed-column.ts';
import { daysOf, secondsOf, writeMicros, writeSafe } from '../columnar/fixed-values.ts';
import type { TextColumn } from '../columnar/text-column.ts';
import {
  isUnavailable,
  UNAVAILABLE,
  UNAVAILABLE_PAIR,
  type ColumnValue,
} from '../change/row-image.ts';
import type { ColumnType, Direct } from './column-type.ts';
import { DATE_BOUNDS, outOfRange, TIMESTAMP_BOUNDS } from './temporal-text.ts';

/*
 * Values copied from Avro into a column without becoming JavaScript values in between. Each gives what
 * decoding, `ColumnType.encode` and `Column.append` give, and refuses what they refuse: a property
 * test compares them.
 */

/**
 * Adds the value at the cursor to a column.
 *
 * @returns false, with nothing added, for a value that the update left alone
 * @throws TributaryError `VALUE_REJECTED`
 */
export type ReadInto = (cursor: AvroCursor, column: Column) => boolean;

const PLACEHOLDERS = [UNAVAILABLE, UNAVAILABLE_PAIR].map((text) => Buffer.from(text));

function isPlaceholder(bytes: Buffer, begin: number, end: number): boolean {
  return PLACEHOLDERS.some(
    (text) => text.length === end - begin && text.compare(bytes, begin, end) === 0,
  );
}

/** Reads a string as a place in the bytes. */
type UseText = (bytes: Buffer, begin: number, end: number, column: Column) => void;

function fromText(use: UseText): ReadInto {
  return (cursor, column) => {
    const length = cursor.readLength();
    const begin = cursor.at;
    const end = begin + length;
    cursor.at = end;
    if (isPlaceholder(cursor.bytes, begin, end)) return false;
    use(cursor.bytes, begin, end, column);
    return true;
  };
}

const ZERO = 48;
const DASH = 45;
const COLON = 58;
const POINT = 46;

function digitAt(bytes: Buffer, at: number): number {
  const digit = (bytes[at] ?? 0) - ZERO;
  return digit >= 0 && digit <= 9 ? digit : NaN;
}

function twoAt(bytes: Buffer, at: number): number {
  return digitAt(bytes, at) * 10 + digitAt(bytes, at + 1);
}

/** `2024-02-29T12:34:56.123456Z`. */
function zonedUse(): UseText {
  // Values of one day come together in a column.
  let lastDate = NaN;
  let lastDays = 0;
  return (bytes, begin, end, column) => {
    const year = twoAt(bytes, begin) * 100 + twoAt(bytes, begin + 2);
    const month = twoAt(bytes, begin + 5);
    const day = twoAt(bytes, begin + 8);
    const date = year * 10_000 + month * 100 + day;
    let fraction = 0;
    const last = end - 1;
    const hasFraction = bytes[begin + 19] === POINT;
    const isShaped =
      bytes[last] === 90 &&
      bytes[begin + 4] === DASH &&
      bytes[begin + 7] === DASH &&
      bytes[begin + 10] === 84 &&
      bytes[begin + 13] === COLON &&
      bytes[begin + 16] === COLON &&
      (hasFraction ? last > begin + 20 && last <= begin + 26 : last === begin + 19);
    if (hasFraction && isShaped) {
      for (let index = 0; index < 6; index += 1) {
        const at = begin + 20 + index;
        fraction = fraction * 10 + (at < last ? digitAt(bytes, at) : 0);
      }
    }
    const hour = twoAt(bytes, begin + 11);
    const minute = twoAt(bytes, begin + 14);
    const second = twoAt(bytes, begin + 17);
    // A digit that is none makes all of it none.
    const isTime = !Number.isNaN(date + hour + minute + second + fraction);
    if (!isShaped || !isTime || year < 1_900 || year > 2_299) throw outOfRange('DateTime64');
    if (date !== lastDate) {
      lastDays = daysOf(year, month, day);
      lastDate = date;
    }
    const target = column as FixedColumn;
    const at = target.grow();
    writeMicros(target.buffer, at, secondsOf(lastDays, hour, minute, second), fraction);
  };
}

const HEX = new Int8Array(256).fill(-1);
for (let digit = 0; digit < 16; digit += 1) {
  for (const text of [digit.toString(16), digit.toString(16).toUpperCase()]) {
    HEX[text.charCodeAt(0)] = digit;
  }
}
/** Where in a UUID's text the two digits of each byte are, in the order of its bytes in ClickHouse. */
const UUID_DIGITS = [16, 14, 11, 9, 6, 4, 2, 0, 34, 32, 30, 28, 26, 24, 21, 19];
const UUID_DASHES = [8, 13, 18, 23];

const useUuid: UseText = (bytes, begin, end, column) => {
  const target = column as FixedColumn;
  const at = target.grow();
  let isUuid = end - begin === 36;
  for (const dash of UUID_DASHES) isUuid &&= bytes[begin + dash] === DASH;
  for (let index = 0; index < 16 && isUuid; index += 1) {
    const place = begin + (UUID_DIGITS[index] as number);
    const high = HEX[bytes[place] as number] as number;
    const low = HEX[bytes[place + 1] as number] as number;
    isUuid = high >= 0 && low >= 0;
    target.buffer[at + index] = (high << 4) | low;
  }
  if (isUuid) return;
  target.truncate(target.length - 1);
  throw new TributaryError('VALUE_REJECTED', 'a value does not have the shape of UUID');
};

/** Digits that a number holds exactly. */
const SAFE_DIGITS = 15;

/** `-123.45` into a Decimal of 32 or 64 bits; what is longer or special is encoded as any value. */
function decimalUse({ clickhouse, encode }: ColumnType): UseText {
  const [precision = 0, scale = 0] = (clickhouse.match(/\d+/g) ?? []).map(Number);
  const limit = 10 ** Math.min(precision, SAFE_DIGITS);
  return (bytes, begin, end, column) => {
    const target = column as FixedColumn;
    const isNegative = bytes[begin] === DASH;
    let value = 0;
    let digits = 0;
    /** Digits after the point, once there is one. */
    let decimals = -1;
    for (let at = isNegative ? begin + 1 : begin; at < end; at += 1) {
      if (bytes[at] === POINT && decimals < 0 && digits > 0) {
        decimals = 0;
        continue;
      }
      value = value * 10 + digitAt(bytes, at);
      digits += 1;
      if (decimals >= 0) decimals += 1;
    }
    const missing = scale - Math.max(decimals, 0);
    const scaled = value * 10 ** missing;
    // False for digits that are none, too.
    const isPlain =
      digits > 0 &&
      decimals !== 0 &&
      missing >= 0 &&
      digits + missing <= SAFE_DIGITS &&
      scaled < limit;
    if (!isPlain || target.width > 8) {
      const cell = encode(bytes.toString('utf8', begin, end));
      if (cell !== null) column.append(cell);
      return;
    }
    const at = target.grow();
    const signed = isNegative && scaled !== 0 ? -scaled : scaled;
    if (target.width === 8) writeSafe(target.buffer, at, signed);
    else target.buffer.writeInt32LE(signed, at);
  };
}

const tooWide = () =>
  new TributaryError('VALUE_REJECTED', 'a value is outside the range of its integer type');

const readInteger: ReadInto = (cursor, column) => {
  cursor.readLong();
  const target = column as FixedColumn;
  const { width } = target;
  const isNarrow = cursor.high === cursor.low >> 31;
  if (width === 2 && !(isNarrow && cursor.low === (cursor.low << 16) >> 16)) {
    throw tooWide();
  }
  if (width === 4 && !isNarrow) throw tooWide();
  const at = target.grow();
  if (width === 2) {
    target.buffer.writeInt16LE(cursor.low, at);
    return true;
  }
  target.buffer.writeInt32LE(cursor.low, at);
  if (width === 8) target.buffer.writeInt32LE(cursor.high, at + 4);
  return true;
};

const readBoolean: ReadInto = (cursor, column) => {
  const value = cursor.readBoolean();
  const target = column as FixedColumn;
  const at = target.grow();
  target.buffer[at] = value ? 1 : 0;
  return true;
};

/** Floats lie in Avro as they do in ClickHouse. */
const readFloat: ReadInto = (cursor, column) => {
  const target = column as FixedColumn;
  const begin = cursor.at;
  cursor.skip(target.width);
  const at = target.grow();
  cursor.bytes.copy(target.buffer, at, begin, cursor.at);
  return true;
};

const readDate: ReadInto = (cursor, column) => {
  cursor.readLong();
  const days = cursor.long;
  if (days < DATE_BOUNDS.first || days >= DATE_BOUNDS.end) throw outOfRange('Date32');
  const target = column as FixedColumn;
  const at = target.grow();
  target.buffer.writeInt32LE(days, at);
  return true;
};

const readMicros: ReadInto = (cursor, column) => {
  cursor.readLong();
  // Not exact as a number, but exact enough far from the bounds.
  const about = cursor.long;
  const { first, end } = TIMESTAMP_BOUNDS;
  const isNear = Math.abs(about - Number(first)) < 1e6 || Math.abs(about - Number(end)) < 1e6;
  const isIn = isNear
    ? cursor.bigLong >= first && cursor.bigLong < end
    : about >= Number(first) && about < Number(end);
  if (!isIn) throw outOfRange('DateTime64');
  const target = column as FixedColumn;
  const at = target.grow();
  target.buffer.writeInt32LE(cursor.low, at);
  target.buffer.writeInt32LE(cursor.high, at + 4);
  return true;
};

const useTextAsIs: UseText = (bytes, begin, end, column) =>
  (column as TextColumn).appendBytes(bytes, begin, end);

const IN_AVRO: Readonly<Record<Direct, readonly string[]>> = {
  text: ['string'],
  uuid: ['string'],
  zoned: ['string'],
  decimal: ['string'],
  boolean: ['boolean'],
  integer: ['int', 'abstract:long'],
  float: ['float'],
  double: ['double'],
  date: ['int'],
  micros: ['abstract:long'],
};

const READERS: Readonly<Record<Direct, (type: ColumnType) => ReadInto>> = {
  text: () => fromText(useTextAsIs),
  uuid: () => fromText(useUuid),
  zoned: () => fromText(zonedUse()),
  decimal: (type) => fromText(decimalUse(type)),
  boolean: () => readBoolean,
  integer: () => readInteger,
  float: () => readFloat,
  double: () => readFloat,
  date: () => readDate,
  micros: () => readMicros,
};

/**
 * How values of a type are read off Avro.
 *
 * @param avroType - not a union
 * @param isAsPlanned - whether the column is of the type's own ClickHouse type; else it takes cells
 */
export function readerOf(type: ColumnType, avroType: avro.Type, isAsPlanned: boolean): ReadInto {
  const { direct } = type;
  if (isAsPlanned && direct !== undefined && IN_AVRO[direct].includes(partsOf(avroType).typeName)) {
    return READERS[direct](type);
  }
  return (cursor, column) => {
    const value = decodeAt(avroType, cursor) as ColumnValue;
    if (isUnavailable(value)) return false;
    const cell = type.encode(value);
    if (cell === null) column.appendDefault();
    else column.append(cell);
    return true;
  };
}
