import { keyId, type Key } from './key-range.ts';
import type { RowCells } from './row-cells.ts';
import { describeRow, judge, type RowDifference } from './row-difference.ts';
import type { SourceRows } from './source-rows.ts';
import type { TableShape } from './table-shape.ts';
import type { WarehouseRows } from './warehouse-rows.ts';

/**
 * Waits until the warehouse holds everything that was committed at the source before the call.
 *
 * @throws TributaryError `DEADLINE_EXCEEDED` when that takes too long
 */
export type CatchUp = () => Promise<void>;

/** What became of the rows that looked different. */
export interface Settlement {
  readonly differences: readonly RowDifference[];
  /** Rows that were written every time they were looked at. */
  readonly undecided: number;
}

/** Rows looked up in one statement. */
const ROWS_AT_ONCE = 200;
/** Rounds a row that keeps being written is looked at. */
const MAX_ROUNDS = 10;

/**
 * Decides about rows that looked different while writes went on: those are left that the
 * warehouse has otherwise although it has caught up with the source.
 *
 * @param catchUp - without it the warehouse is taken as it is
 * @throws TributaryError whatever `catchUp` and the reads throw
 */
export async function settleRows(
  suspects: readonly Key[],
  parts: {
    shape: TableShape;
    source: SourceRows;
    warehouse: WarehouseRows;
    catchUp: CatchUp | undefined;
    showValues: boolean;
  },
): Promise<Settlement> {
  const { shape, source, warehouse, catchUp, showValues } = parts;
  const names = {
    key: shape.key.map(({ name }) => name),
    columns: shape.columns.map(({ name }) => name),
  };
  const differences: RowDifference[] = [];
  const atOnce = (keys: readonly Key[], from: SourceRows | WarehouseRows) =>
    cellsOf(keys, from, showValues);

  // Most of them were on their way and have arrived by now.
  let [before, there] = [await atOnce(suspects, source), await atOnce(suspects, warehouse)];
  let open = suspects.filter((key) => {
    const id = keyId(key);
    return judge(before.get(id), there.get(id), before.get(id)) !== 'equal';
  });
  if (catchUp === undefined) {
    for (const key of open) {
      const id = keyId(key);
      differences.push(describeRow(names, key, before.get(id), there.get(id), showValues));
    }
    return { differences, undecided: 0 };
  }
  let earlier: ReadonlyMap<string, RowCells> = new Map();
  for (let round = 0; open.length > 0 && round < MAX_ROUNDS; round += 1) {
    before = await atOnce(open, source);
    await catchUp();
    there = await atOnce(open, warehouse);
    const after = await atOnce(open, source);
    const again: Key[] = [];
    for (const key of open) {
      const id = keyId(key);
      const verdict = judge(before.get(id), there.get(id), after.get(id), earlier.get(id));
      if (verdict === 'again') again.push(key);
      if (verdict === 'differs') {
        differences.push(describeRow(names, key, after.get(id), there.get(id), showValues));
      }
    }
    earlier = there;
    open = again;
  }
  return { differences, undecided: open.length };
}

/** Looks rows up on one side, some at a time. */
export async function cellsOf(
  keys: readonly Key[],
  from: SourceRows | WarehouseRows,
  showValues: boolean,
): Promise<ReadonlyMap<string, RowCells>> {
  const found = new Map<string, RowCells>();
  for (let start = 0; start < keys.length; start += ROWS_AT_ONCE) {
    const some = await from.cells(keys.slice(start, start + ROWS_AT_ONCE), showValues);
    for (const [id, row] of some) found.set(id, row);
  }
  return found;
}
