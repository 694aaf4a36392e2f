import type { Cell, PanelData } from '../wire.ts';
import { numberOf } from './format.ts';
import { cellText, isNumeric } from './types.ts';

/** A line or bar of a chart over time. */
export interface Series {
  readonly name: string;
  /** Time in milliseconds and value; null where nothing is known. */
  readonly points: readonly (readonly [number, number | null])[];
}

/** A bar with its name. */
export interface Bar {
  readonly label: string;
  readonly values: ReadonlyMap<string, number>;
}

/** A number with what it was before. */
export interface Stat {
  readonly label: string;
  readonly value: number;
  readonly previous?: number | undefined;
}

/**
 * Cuts rows `t, series, value` into series, or rows `t, a, b` into series `a` and `b`, with a point
 * for every piece of the time that is shown.
 *
 * @param gaps - what a piece without a row is
 */
export function seriesOf(data: PanelData, gaps: 'zero' | 'open'): Series[] {
  const at = (name: string) => data.columns.findIndex((column) => column.name === name);
  const [time, series, value] = [at('t'), at('series'), at('value')];
  const lines = new Map<string, Map<number, number>>();
  const put = (name: string, t: number, cell: Cell | undefined) => {
    const number = numberOf(cell);
    if (number === undefined) return;
    const line = lines.get(name) ?? new Map<number, number>();
    lines.set(name, line.set(t, number));
  };
  const wide = data.columns.flatMap(({ name, type }, index) =>
    index !== time && index !== series && isNumeric(type) ? [{ name, index }] : [],
  );
  for (const row of data.rows) {
    const t = Date.parse(cellText(row[time] ?? null));
    if (series !== -1) put(cellText(row[series] ?? null), t, row[value]);
    else for (const { name, index } of wide) put(name, t, row[index]);
  }
  const pieces = piecesOf(data);
  return [...lines]
    .sort(([a], [b]) => a.localeCompare(b))
    .map(([name, values]) => ({
      name,
      points: pieces.map((t) => [t, values.get(t) ?? (gaps === 'zero' ? 0 : null)] as const),
    }));
}

/** Begin of each piece of the time that is shown, in milliseconds. */
export function piecesOf({ from, to, bucketSeconds }: PanelData): number[] {
  const length = bucketSeconds * 1000;
  const first = Math.floor(from / length) * length;
  return Array.from(
    { length: Math.max(0, Math.ceil((to - first) / length)) },
    (_, index) => first + index * length,
  );
}

/** Rows `label, value`, or `label, series, value`, as bars in their order. */
export function barsOf(data: PanelData): { bars: Bar[]; series: string[] } {
  const at = (name: string) => data.columns.findIndex((column) => column.name === name);
  const [label, series, value] = [at('label'), at('series'), at('value')];
  const bars = new Map<string, Map<string, number>>();
  const names = new Set<string>();
  for (const row of data.rows) {
    const number = numberOf(row[value]);
    if (number === undefined) continue;
    const name = series === -1 ? '' : cellText(row[series] ?? null);
    names.add(name);
    const key = cellText(row[label] ?? null);
    bars.set(key, (bars.get(key) ?? new Map<string, number>()).set(name, number));
  }
  return {
    bars: [...bars].map(([name, values]) => ({ label: name, values })),
    series: [...names].sort(),
  };
}

/** Rows `value`, or `label, value`, each perhaps with `previous`. */
export function statsOf(data: PanelData): Stat[] {
  const at = (name: string) => data.columns.findIndex((column) => column.name === name);
  const [label, value, previous] = [at('label'), at('value'), at('previous')];
  return data.rows.flatMap((row) => {
    const number = numberOf(row[value]);
    if (number === undefined) return [];
    const before = numberOf(row[previous]);
    return [
      { label: label === -1 ? '' : cellText(row[label] ?? null), value: number, previous: before },
    ];
  });
}
