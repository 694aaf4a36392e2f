import type { Cell } from '../transform/column-type.ts';
import { cellsOf, completeRow, keyText, type Row } from '../transform/row.ts';
import { OWN_COLUMNS, type TablePlan } from '../transform/table-plan.ts';
import type { Sink } from './sink.ts';

/** Rows in order; `undefined` where nothing knows the value that an update left alone. */
export type CompletedRows = readonly (Row | undefined)[];

/** A row, and where the values that it lacks are. */
interface Item {
  readonly row: Row;
  readonly cells: Cell[];
  /** The row before it in the batch, or key and version of a row that the change log has. */
  before: Item | readonly Cell[] | undefined;
}

/**
 * Fills in the values that updates left alone and that are therefore not in their records: from
 * the change of the same row before it in the batch, else from the change log.
 *
 * An update of the key comes as a delete of the old row and an insert of the new one, both with the
 * position of the update: the new row's values are those that the old one had before its delete.
 *
 * Exact as long as all earlier changes of these rows are stored, which holds because a table has
 * one batch under way at a time.
 */
export async function completeRows(
  plan: TablePlan,
  rows: readonly Row[],
  sink: Pick<Sink, 'lastValues' | 'deletesAt'>,
): Promise<CompletedRows> {
  if (rows.every((row) => row.unchanged.length === 0)) return rows;

  const items = rows.map((row): Item => ({ row, cells: cellsOf(row), before: undefined }));
  link(plan, items);
  const lacking = items.filter(({ row }) => row.unchanged.length > 0);
  const moved = lacking.filter(({ before }) => before === undefined);
  if (moved.length > 0) {
    const lsns = moved.map(({ cells }) => own(plan, cells, '_lsn'));
    const deletes = await sink.deletesAt(plan, lsns);
    for (const [place, item] of moved.entries()) item.before = deletes.get(lsns[place] ?? null);
  }
  const asked = [...new Set(lacking.flatMap(({ before }) => (isStored(before) ? [before] : [])))];
  const indexes = [...new Set(lacking.flatMap(({ row }) => row.unchanged))];
  const stored =
    asked.length === 0
      ? new Map<number, ReadonlyMap<number, Cell>>()
      : await sink.lastValues(plan, asked, indexes);
  const valuesOf = new Map(asked.map((cells, place) => [cells, stored.get(place)]));

  const incomplete = new Set<Item>();
  return items.map((item) => {
    const { row, cells, before } = item;
    if (row.unchanged.length === 0) return row;
    for (const index of row.unchanged) {
      const value = isStored(before)
        ? valuesOf.get(before)?.get(index)
        : before === undefined || incomplete.has(before) || isGone(plan, before)
          ? undefined
          : before.cells[index];
      if (value === undefined) {
        incomplete.add(item);
        return undefined;
      }
      cells[index] = value;
    }
    return completeRow(cells);
  });
}

/** Finds what is before each row, but for inserts whose delete is not in the batch. */
function link(plan: TablePlan, items: readonly Item[]): void {
  const newest = new Map<string, Item>();
  const deletes = new Map<Cell, Item>();
  for (const item of items) {
    const key = keyText(plan, item.cells);
    const op = own(plan, item.cells, '_op');
    // A row that was inserted lacks nothing, unless it was another before.
    item.before =
      op === 'insert' && item.row.unchanged.length > 0
        ? deletes.get(own(plan, item.cells, '_lsn'))?.before
        : (newest.get(key) ?? item.cells);
    if (op === 'delete') deletes.set(own(plan, item.cells, '_lsn'), item);
    newest.set(key, item);
  }
}

function isStored(before: Item['before']): before is readonly Cell[] {
  return Array.isArray(before);
}

function isGone(plan: TablePlan, { cells }: Item): boolean {
  return own(plan, cells, '_deleted') === 1;
}

function own(
  plan: TablePlan,
  cells: readonly Cell[],
  name: (typeof OWN_COLUMNS)[number]['name'],
): Cell {
  const place = OWN_COLUMNS.findIndex((column) => column.name === name);
  return cells[plan.columns.length + place] ?? null;
}
