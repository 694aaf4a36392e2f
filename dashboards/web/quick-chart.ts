import type { Cell, Column } from '../wire.ts';
import { isNumeric, isTime, plainType } from './types.ts';
import type { PanelData } from '../wire.ts';

const MOST_BARS = 40;

/** How a result can be drawn without asking anything. */
export type QuickChart =
  | { readonly kind: 'time'; readonly time: number; readonly values: readonly number[] }
  | { readonly kind: 'bar'; readonly label: number; readonly value: number };

/** The obvious chart of a result: numbers over its time, or over its first text. */
export function chooseChart(columns: readonly Column[], rows: number): QuickChart | undefined {
  const values = columns.flatMap(({ type }, index) => (isNumeric(type) ? [index] : []));
  const time = columns.findIndex(({ type }) => isTime(type) || plainType(type).startsWith('Date'));
  const [first] = values;
  if (first === undefined || rows < 2) return undefined;
  if (time !== -1) return { kind: 'time', time, values };
  const label = columns.findIndex(({ type }) => !isNumeric(type));
  return label === -1 ? undefined : { kind: 'bar', label, value: first };
}

/** The rows of a bar chart, in the shape of a panel's. */
export function barData(
  rows: readonly (readonly Cell[])[],
  { label, value }: { label: number; value: number },
): PanelData {
  return {
    columns: [
      { name: 'label', type: 'String' },
      { name: 'value', type: 'Float64' },
    ],
    rows: rows.slice(0, MOST_BARS).map((row) => [row[label] ?? null, row[value] ?? null]),
    from: 0,
    to: 0,
    bucketSeconds: 1,
    parameters: {},
  };
}
