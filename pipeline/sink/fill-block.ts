import { TributaryError } from '#runtime/errors.ts';
import type { Lsn } from '../change/lsn.ts';
import { packVersion } from '../change/version.ts';
import type { Cell } from '../transform/column-type.ts';
import { RowBlock } from '../transform/row-block.ts';
import type { RowReader } from '../transform/row-reader.ts';
import type { TablePlan } from '../transform/table-plan.ts';
import type { RowWork } from './batch.ts';
import { concernsOneRecord } from './dead-letter.ts';
import { RowsBefore, type Before } from './rows-before.ts';
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

/**
 * Makes a block of changes. Values that an update left alone, and that are therefore not in its record,
 * are those of the change of the same row before it: in the batch, else in the change log.
 *
 * An update of the key comes as a delete of the old row and an insert of the new one, both with the
 * position of the update: the new row's values are those that the old one had before its delete.
 *
 * Exact as long as all earlier changes of these rows are stored, which holds because a table has
 * one batch under way at a time.
 *
 * @throws what `lastValues` and `deletesAt` throw
 */
export async function fillBlock(
  layout: Layout,
  work: readonly RowWork[],
  sink: Pick<Sink, 'lastValues' | 'deletesAt'>,
): Promise<FilledBlock> {
  const lacking = new Map<string, { before: StoredBefore; columns: readonly number[] }>();
  const filled = fill(layout, work, (before, columns) => {
    lacking.set(idOf(before), { before, columns });
    return NO_VALUES;
  });
  if (lacking.size === 0) return filled;

  const asked = await askedRows(layout, lacking, sink);
  const columns = [...new Set([...lacking.values()].flatMap((each) => each.columns))];
  const found = await sink.lastValues(layout.plan, [...asked.values()], columns);
  const known = new Map([...asked.keys()].map((id, place) => [id, found.get(place)]));
  return fill(layout, work, (before) => known.get(idOf(before)));
}

/** Where a row's values are, if not in the batch. */
type StoredBefore = Exclude<Before, { in: 'batch' }>;
const NO_VALUES: ReadonlyMap<number, Cell> = new Map();

function idOf(before: StoredBefore): string {
  if (before.in === 'delete') return `delete at ${before.lsn}`;
  const { partition, offset } = before.item.record;
  return `before ${partition}/${offset}`;
}

/** Key and version of what the change log is asked for, by ids. */
async function askedRows(
  { plan, reader }: Layout,
  lacking: ReadonlyMap<string, { readonly before: StoredBefore }>,
  sink: Pick<Sink, 'deletesAt'>,
): Promise<Map<string, AskedRow>> {
  const all = [...lacking].map(([id, { before }]) => [id, before] as const);
  const lsns = all.flatMap(([, before]) => (before.in === 'delete' ? [before.lsn] : []));
  const deletes = lsns.length === 0 ? new Map<Lsn, AskedRow>() : await sink.deletesAt(plan, lsns);
  const asked = new Map<string, AskedRow>();
  for (const [id, before] of all) {
    if (before.in === 'delete') {
      const row = deletes.get(before.lsn);
      if (row !== undefined) asked.set(id, row);
    } else {
      const { item, place } = before;
      const key = reader.key(valueOf(item), place);
      asked.set(id, { key, version: packVersion(item.stamp.version) });
    }
  }
  return asked;
}

/** Finds values of the row before a row; undefined when there is no such row. */
type LookUp = (
  before: StoredBefore,
  columns: readonly number[],
) => ReadonlyMap<number, Cell> | undefined;

function fill(layout: Layout, work: readonly RowWork[], lookUp: LookUp): FilledBlock {
  const { plan, reader, asText } = layout;
  const block = new RowBlock(plan, asText);
  const past = new RowsBefore(block);
  const taken: RowWork[] = [];
  const refused: { item: RowWork; error: TributaryError }[] = [];

  for (const item of work) {
    const begin = block.rows;
    try {
      for (const place of item.rows) {
        const unchanged = reader.read(valueOf(item), place, block);
        if (unchanged.length > 0) {
          // With REPLICA IDENTITY FULL nothing is left out; and without a key nothing tells what it was.
          const before = plan.isKeyless ? undefined : past.of(item, place);
          if (before?.in === 'batch') {
            for (const column of unchanged) block.setFromRow(column, before.row);
          } else {
            const values = before === undefined ? undefined : lookUp(before, unchanged);
            if (values === undefined) {
              past.lose();
              throw incomplete(plan);
            }
            for (const column of unchanged) block.setCell(column, values.get(column) ?? null);
          }
        }
        block.endRow(item.stamp, place.isRemoved);
        past.add(item, place);
      }
      taken.push(item);
    } catch (error) {
      if (!concernsOneRecord(error)) throw error;
      refused.push({ item, error });
      past.takeBack(begin);
      block.takeBack(begin);
    }
  }
  return { block, work: taken, refused };
}

function valueOf({ record }: RowWork): Buffer {
  if (record.value === null) throw new Error('a row without a value');
  return record.value;
}

function incomplete(plan: TablePlan): TributaryError {
  return new TributaryError(
    'ROW_INCOMPLETE',
    `${plan.source}.${plan.relation}: an update lacks a value that the warehouse does not have either`,
    { context: { source: plan.source, table: plan.relation } },
  );
}
