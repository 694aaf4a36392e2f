import type { RowCells } from './row-cells.ts';
import type { Key } from './key-range.ts';

/** A row that the two sides do not have alike. */
export interface RowDifference {
  /** Canonical text of each key column, by name. */
  readonly key: Readonly<Record<string, string>>;
  /** `missing`: the warehouse lacks it; `surplus`: the source does not have it. */
  readonly kind: 'missing' | 'surplus' | 'different';
  /** Columns that differ; empty unless `kind` is `different`. */
  readonly columns: readonly ColumnDifference[];
}

/** A cell that differs, with both values when they were asked for. */
export interface ColumnDifference {
  readonly name: string;
  readonly source?: string | null;
  readonly warehouse?: string | null;
}

/** What can be said of a row after its source was read, then the warehouse, then the source again. */
export type Verdict = 'equal' | 'differs' | 'again';

/**
 * Judges one row. Between the two reads of the source, the warehouse caught up with the first and
 * was read: what it holds is the first read or something later.
 *
 * A row that was not written in between, and is another one in the warehouse, differs for certain.
 * A row that the source lacks both times could have come and gone in between; it differs when the
 * warehouse still has the same one a round later.
 *
 * @param earlier - the warehouse's row of the round before, when that could not be decided
 */
export function judge(
  before: RowCells | undefined,
  warehouse: RowCells | undefined,
  after: RowCells | undefined,
  earlier?: RowCells,
): Verdict {
  if (sameRow(warehouse, before) || sameRow(warehouse, after)) return 'equal';
  if (before === undefined && after === undefined) {
    return earlier !== undefined && sameRow(earlier, warehouse) ? 'differs' : 'again';
  }
  const unwritten = before?.revision === after?.revision && sameRow(before, after);
  return unwritten ? 'differs' : 'again';
}

function sameRow(a: RowCells | undefined, b: RowCells | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a.cells.every((cell, index) => cell === b.cells[index]);
}

/** Says how a row differs, by column. */
export function describeRow(
  names: { readonly key: readonly string[]; readonly columns: readonly string[] },
  key: Key,
  source: RowCells | undefined,
  warehouse: RowCells | undefined,
  showValues: boolean,
): RowDifference {
  const columns =
    source === undefined || warehouse === undefined
      ? []
      : names.columns.flatMap((name, index): ColumnDifference[] => {
          const [here, there] = [source.cells[index] ?? null, warehouse.cells[index] ?? null];
          if (here === there) return [];
          return [showValues ? { name, source: here, warehouse: there } : { name }];
        });
  return {
    key: Object.fromEntries(names.key.map((name, index) => [name, key[index] ?? ''])),
    kind: source === undefined ? 'surplus' : warehouse === undefined ? 'missing' : 'different',
    columns,
  };
}
