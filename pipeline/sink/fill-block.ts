import { TributaryError } from '#runtime/errors.ts';
import type { RowPlace } from '../change/change-event.ts';
import type { Cell } from '../transform/column-type.ts';
import { RowBlock } from '../transform/row-block.ts';
import type { RowReader } from '../transform/row-reader.ts';
import type { TablePlan } from '../transform/table-plan.ts';
import type { RowWork } from './batch.ts';
import { concernsOneRecord } from './dead-letter.ts';
import type { AskedRow, Sink } from './sink.ts';

/** How the rows of one plan are read and stored. */
export interface Layout {
  readonly plan: TablePlan;
  readonly reader: RowReader;
  /** Stored names of columns that the warehouse keeps as text, whatever they are at the source. */
  readonly asText: ReadonlySet<string>;
}

/** Work as the rows of one insert. */
export interface FilledBlock {
  readonly block: RowBlock;
  /** What the block has the rows of. */
  readonly work: readonly RowWork[];
  /** What cannot be stored, and why; the block has nothing of it. */
  readonly refused: readonly { readonly item: RowWork; readonly error: TributaryError }[];
}

/** A row that lacks values which nothing in its batch tells. */
interface Missing extends AskedRow {
  readonly columns: readonly number[];
}

/**
 * Makes a block of changes. Values that an update left alone, and that are therefore not in its record,
 * are those of the change of the same row before it: in the batch, else in the change log.
 *
 * Exact as long as all earlier changes of these rows are stored, which holds because a table has
 * one batch under way at a time.
 *
 * @throws what `lastValues` throws
 */
export async function fillBlock(
  layout: Layout,
  work: readonly RowWork[],
  lastValues: Sink['lastValues'],
): Promise<FilledBlock> {
  const missing = new Map<string, Missing>();
  const filled = fill(layout, work, (key, item, place, columns) => {
    if (!missing.has(key)) {
      const asked = layout.reader.key(item.record.value ?? Buffer.alloc(0), place);
      missing.set(key, { key: asked, version: item.stamp.version, columns });
    }
    return new Map();
  });
  if (missing.size === 0) return filled;

  const rows = [...missing.values()];
  const columns = [...new Set(rows.flatMap((row) => row.columns))];
  const found = await lastValues(layout.plan, rows, columns);
  const known = new Map([...missing.keys()].map((key, place) => [key, found.get(place)]));
  return fill(layout, work, (key) => {
    const values = known.get(key);
    if (values === undefined) throw incomplete(layout.plan);
    return values;
  });
}

/** Finds the values that a row had before it; without one that is not found, it stays as it is. */
type LookUp = (
  key: string,
  item: RowWork,
  place: RowPlace,
  columns: readonly number[],
) => ReadonlyMap<number, Cell>;

function fill(layout: Layout, work: readonly RowWork[], lookUp: LookUp): FilledBlock {
  const { plan, reader, asText } = layout;
  const block = new RowBlock(plan, asText);
  const taken: RowWork[] = [];
  const refused: { item: RowWork; error: TributaryError }[] = [];
  /** Last row of each key in the block, from the first time that it is asked for. */
  let lastRows: Map<string, number> | undefined;

  for (const item of work) {
    const begin = block.rows;
    try {
      for (const place of item.rows) {
        const unchanged = reader.read(item.record.value ?? Buffer.alloc(0), place, block);
        const row = block.rows;
        if (unchanged.length > 0) {
          // With REPLICA IDENTITY FULL nothing is left out, and without a key nothing tells what it was.
          if (plan.isKeyless) throw incomplete(plan);
          lastRows ??= rowsByKey(block);
          const key = block.keyOf(row);
          const before = lastRows.get(key);
          const values = before === undefined ? lookUp(key, item, place, unchanged) : undefined;
          for (const column of unchanged) {
            if (before !== undefined) block.setFromRow(column, before);
            else block.setCell(column, values?.get(column) ?? null);
          }
        }
        block.endRow(item.stamp, place.isRemoved);
        lastRows?.set(block.keyOf(row), row);
      }
      taken.push(item);
    } catch (error) {
      block.takeBack(begin);
      if (!concernsOneRecord(error)) throw error;
      refused.push({ item, error });
      // Rows of it that were counted are gone.
      if (lastRows !== undefined) lastRows = rowsByKey(block);
    }
  }
  return { block, work: taken, refused };
}

function rowsByKey(block: RowBlock): Map<string, number> {
  const rows = new Map<string, number>();
  for (let row = 0; row < block.rows; row += 1) rows.set(block.keyOf(row), row);
  return rows;
}

function incomplete(plan: TablePlan): TributaryError {
  return new TributaryError(
    'ROW_INCOMPLETE',
    `${plan.source}.${plan.relation}: an update lacks a value that the warehouse does not have either`,
    { context: { source: plan.source, table: plan.relation } },
  );
}
