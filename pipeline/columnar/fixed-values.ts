import { TributaryError } from '#runtime/errors.ts';
import type { Cell } from '../transform/column-type.ts';
import type { WriteFixed } from './fixed-column.ts';

/*
 * How values of fixed size are written, as ClickHouse keeps them. Cells are what `ColumnType.encode`
 * gives, or what ClickHouse itself answers in JSON.
 */

type Value = Exclude<Cell, null>;

const MICROS_PER_SECOND = 1_000_000;
const SECONDS_PER_DAY = 86_400;
const MILLIS_PER_DAY = 86_400_000;

/** A value that a type cannot hold. Its message has no value in it. */
export function rejectShape(type: string): TributaryError {
  return new TributaryError('VALUE_REJECTED', `a value does not have the shape of ${type}`);
}

function outOfRange(type: string): TributaryError {
  return new TributaryError('VALUE_REJECTED', `a value is outside the range of ${type}`);
}

export const writeBool: WriteFixed = (bytes, at, cell) => {
  if (typeof cell !== 'boolean') throw rejectShape('Bool');
  bytes[at] = cell ? 1 : 0;
};

/** Signed integers of 16 and 32 bits. */
export function integerWriter(type: 'Int16' | 'Int32'): WriteFixed {
  const limit = type === 'Int16' ? 2 ** 15 : 2 ** 31;
  return (bytes, at, cell) => {
    const value = numberOf(cell, type);
    if (!Number.isInteger(value) || value < -limit || value >= limit) throw outOfRange(type);
    if (type === 'Int16') bytes.writeInt16LE(value, at);
    else bytes.writeInt32LE(value, at);
  };
}

export const writeInt64: WriteFixed = (bytes, at, cell) => {
  writeWide(bytes, at, 8, bigintOf(cell, 'Int64'), 'Int64');
};

export function floatWriter(type: 'Float32' | 'Float64'): WriteFixed {
  return (bytes, at, cell) => {
    const value = floatOf(cell, type);
    if (type === 'Float32') bytes.writeFloatLE(value, at);
    else bytes.writeDoubleLE(value, at);
  };
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** Two halves of 64 bits, the lowest byte of each first. */
export const writeUuid: WriteFixed = (bytes, at, cell) => {
  if (typeof cell !== 'string' || !UUID.test(cell)) throw rejectShape('UUID');
  const digits = cell.replaceAll('-', '');
  bytes.writeBigUInt64LE(BigInt(`0x${digits.slice(0, 16)}`), at);
  bytes.writeBigUInt64LE(BigInt(`0x${digits.slice(16)}`), at + 8);
};

const DATE = /^(\d{4})-(\d\d)-(\d\d)$/;

/** Days since 1970. */
export const writeDate32: WriteFixed = (bytes, at, cell) => {
  const parts = typeof cell === 'string' ? DATE.exec(cell) : null;
  if (parts === null) throw rejectShape('Date32');
  bytes.writeInt32LE(daysOf(Number(parts[1]), Number(parts[2]), Number(parts[3])), at);
};

const TIMESTAMP = /^(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?$/;

/** Microseconds since 1970. */
export const writeDateTime64: WriteFixed = (bytes, at, cell) => {
  const parts = typeof cell === 'string' ? TIMESTAMP.exec(cell) : null;
  if (parts === null) throw rejectShape('DateTime64');
  const [, year, month, day, hour, minute, second, fraction = ''] = parts;
  writeMicros(
    bytes,
    at,
    secondsOf(
      daysOf(Number(year), Number(month), Number(day)),
      Number(hour),
      Number(minute),
      Number(second),
    ),
    Number(fraction.padEnd(6, '0')),
  );
};

/** Days since 1970 of a date. */
export function daysOf(year: number, month: number, day: number): number {
  return Date.UTC(year, month - 1, day) / MILLIS_PER_DAY;
}

/** Seconds since 1970 of a time of a day. */
export function secondsOf(days: number, hour: number, minute: number, second: number): number {
  return days * SECONDS_PER_DAY + hour * 3_600 + minute * 60 + second;
}

/** Writes microseconds since 1970, which beyond the year 2255 have more bits than a number. */
export function writeMicros(bytes: Buffer, at: number, seconds: number, micros: number): void {
  const value = seconds * MICROS_PER_SECOND + micros;
  if (Number.isSafeInteger(value)) writeSafe(bytes, at, value);
  else {
    const exact = BigInt(seconds) * BigInt(MICROS_PER_SECOND) + BigInt(micros);
    bytes.writeBigInt64LE(exact, at);
  }
}

/** Writes an integer within 2^53 as 64 bits. */
export function writeSafe(bytes: Buffer, at: number, value: number): void {
  const high = Math.floor(value / 4_294_967_296);
  bytes.writeUInt32LE(value - high * 4_294_967_296, at);
  bytes.writeInt32LE(high, at + 4);
}

/** Bytes of a Decimal of so many digits. */
export function decimalWidth(precision: number): 4 | 8 | 16 | 32 {
  if (precision <= 9) return 4;
  if (precision <= 18) return 8;
  return precision <= 38 ? 16 : 32;
}

const DECIMAL = /^([+-]?)(\d+)(?:\.(\d+))?$/;

/** A Decimal is an integer: its digits without the point. */
export function decimalWriter(precision: number, scale: number): WriteFixed {
  const type = `Decimal(${precision}, ${scale})`;
  const width = decimalWidth(precision);
  const limit = 10n ** BigInt(precision);
  return (bytes, at, cell) => {
    const parts = DECIMAL.exec(String(cell));
    if (parts === null) throw rejectShape(type);
    const [, sign, whole = '', fraction = ''] = parts;
    // More digits than the type keeps would be rounded.
    if (fraction.length > scale && /[1-9]/.test(fraction.slice(scale))) throw outOfRange(type);
    const digits = BigInt(whole + fraction.slice(0, scale).padEnd(scale, '0'));
    if (digits >= limit) throw outOfRange(type);
    writeWide(bytes, at, width, sign === '-' ? -digits : digits, type);
  };
}

/** Writes an integer of 4 to 32 bytes, the lowest first. */
function writeWide(bytes: Buffer, at: number, width: number, value: bigint, type: string): void {
  const bits = BigInt(width * 8);
  if (BigInt.asIntN(width * 8, value) !== value) throw outOfRange(type);
  if (width === 4) {
    bytes.writeInt32LE(Number(value), at);
    return;
  }
  let rest = BigInt.asUintN(Number(bits), value);
  for (let place = at; place < at + width; place += 8) {
    bytes.writeBigUInt64LE(BigInt.asUintN(64, rest), place);
    rest >>= 64n;
  }
}

function numberOf(cell: Value, type: string): number {
  const value = typeof cell === 'string' ? Number(cell) : cell;
  if (typeof value !== 'number') throw rejectShape(type);
  return value;
}

function bigintOf(cell: Value, type: string): bigint {
  if (typeof cell === 'number' && Number.isSafeInteger(cell)) return BigInt(cell);
  if (typeof cell === 'string' && /^-?\d+$/.test(cell)) return BigInt(cell);
  throw rejectShape(type);
}

/** In ClickHouse's spelling. */
const FLOATS: Readonly<Record<string, number>> = {
  nan: NaN,
  inf: Infinity,
  '-inf': -Infinity,
};

function floatOf(cell: Value, type: string): number {
  if (typeof cell === 'number') return cell;
  if (typeof cell !== 'string') throw rejectShape(type);
  const value = FLOATS[cell] ?? Number(cell);
  if (Number.isNaN(value) && cell !== 'nan') throw rejectShape(type);
  return value;
}
