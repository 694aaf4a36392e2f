import type { Cell } from '../transform/column-type.ts';
import { cellsOf, completeRow, keyText, type Row } from '../transform/row.ts';
import type { TablePlan } from '../transform/table-plan.ts';
import type { Sink } from './sink.ts';

/** Rows in order; `undefined` where nothing knows the value that an update left alone. */
export type CompletedRows = readonly (Row | undefined)[];

/**
 * Fills in the values that updates left alone and that are therefore not in their records: from
 * the change of the same row before it in the batch, else from the change log.
 *
 * Exact as long as all earlier changes of these rows are stored, which holds because a table has
 * one batch under way at a time.
 */
export async function completeRows(
  plan: TablePlan,
  rows: readonly Row[],
  lastValues: Sink['lastValues'],
): Promise<CompletedRows> {
  if (rows.every((row) => row.unchanged.length === 0)) return rows;

  const keyed = rows.map((row) => {
    const cells = cellsOf(row);
    return { row, cells, key: keyText(plan, cells) };
  });
  const unknown = new Map<string, readonly Cell[]>();
  const indexes = new Set<number>();
  const seen = new Set<string>();
  for (const { row, cells, key } of keyed) {
    if (row.unchanged.length > 0 && !seen.has(key)) unknown.set(key, cells);
    for (const index of row.unchanged) indexes.add(index);
    seen.add(key);
  }
  const stored =
    unknown.size === 0
      ? new Map<number, ReadonlyMap<number, Cell>>()
      : await lastValues(plan, [...unknown.values()], [...indexes]);

  const known = new Map<string, { get(index: number): Cell | undefined } | undefined>(
    [...unknown.keys()].map((key, place) => [key, stored.get(place)]),
  );
  return keyed.map(({ row, cells, key }) => {
    const before = known.get(key);
    for (const index of row.unchanged) {
      const value = before?.get(index);
      if (value === undefined) return undefined;
      cells[index] = value;
    }
    known.set(key, { get: (index) => cells[index] });
    return row.unchanged.length === 0 ? row : completeRow(cells);
  });
}
