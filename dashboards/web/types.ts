import type { Cell } from '../wire.ts';
import { formatTime } from './format.ts';

/** A ClickHouse type without what does not change how its values look. */
export function plainType(type: string): string {
  const inner = /^(?:Nullable|LowCardinality)\((.*)\)$/.exec(type)?.[1];
  return inner === undefined ? type : plainType(inner);
}

/** Whether values of a type are numbers to compare by their digits. */
export function isNumeric(type: string): boolean {
  return /^(U?Int|Float|Decimal|BFloat)/.test(plainType(type));
}

/** Whether a column names things: its numbers are read, not compared. */
export function isName(column: string): boolean {
  return /(^|_)(id|number|offset|partition)$/.test(column);
}

/** Whether values of a type are points in time. */
export function isTime(type: string): boolean {
  return plainType(type).startsWith('DateTime');
}

/** A value as text, exactly as it came. */
export function cellText(cell: Cell): string {
  if (cell === null) return 'NULL';
  return typeof cell === 'object' ? JSON.stringify(cell) : String(cell);
}

/** A value for people on a dashboard: times in their own zone, numbers with separators. */
export function friendlyText(cell: Cell, type: string): string {
  if (cell === null) return '–';
  if (typeof cell === 'boolean') return cell ? 'yes' : 'no';
  if (isTime(type) && typeof cell === 'string') {
    const time = Date.parse(cell);
    return Number.isNaN(time) ? cell : formatTime(time);
  }
  if (plainType(type).startsWith('Decimal') && typeof cell === 'string') {
    const digits = Number(/, (\d+)\)$/.exec(plainType(type))?.[1] ?? 2);
    return grouped(digits > 4 ? cell : Number(cell).toFixed(digits));
  }
  return isNumeric(type) ? grouped(cellText(cell)) : cellText(cell);
}

/** Puts separators between thousands without touching a digit. */
function grouped(text: string): string {
  const [whole = '', fraction] = text.split('.');
  const separated = whole.replace(/\B(?=(\d{3})+$)/g, ',');
  return fraction === undefined ? separated : `${separated}.${fraction}`;
}
