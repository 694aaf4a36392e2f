import { TributaryError } from '#runtime/errors.ts';
import type { RowPlace } from '../change/change-event.ts';
import type { Lsn } from '../change/lsn.ts';
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

/** Where the values are that a row lacks and nothing in its batch tells. */
interface Missing {
  /** The row that had them; a position of the log where that is known by the delete there alone. */
  readonly asked: AskedRow | Lsn;
  readonly columns: readonly number[];
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
 * @throws what the sink throws
 */
export async function fillBlock(
  layout: Layout,
  work: readonly RowWork[],
  sink: Pick<Sink, 'lastValues' | 'deletesAt'>,
): Promise<FilledBlock> {
  const missing = new Map<string, Missing>();
  const filled = fill(layout, work, (id, asked, columns) => {
    if (!missing.has(id)) missing.set(id, { asked: asked(), columns });
    return new Map();
  });
  if (missing.size === 0) return filled;

  const lsns = [...missing.values()].flatMap(({ asked }) =>
    typeof asked === 'bigint' ? [asked] : [],
  );
  const deletes =
    lsns.length === 0 ? new Map<Lsn, AskedRow>() : await sink.deletesAt(layout.plan, lsns);
  const rows = [...missing].flatMap(([id, { asked }]) => {
    const row: AskedRow | undefined = typeof asked === 'bigint' ? deletes.get(asked) : asked;
    return row === undefined ? [] : [{ id, row }];
  });
  const columns = [...new Set([...missing.values()].flatMap((one) => one.columns))];
  const asked = rows.map(({ row }) => row);
  const found =
    asked.length === 0
      ? new Map<number, ReadonlyMap<number, Cell>>()
      : await sink.lastValues(layout.plan, asked, columns);
  const known = new Map(rows.map(({ id }, place) => [id, found.get(place)]));
  return fill(layout, work, (id) => {
    const values = known.get(id);
    if (values === undefined) throw incomplete(layout.plan);
    return values;
  });
}

/** Finds the values that a row had before it; without one that is not found, it stays as it is. */
type LookUp = (
  id: string,
  asked: () => Missing['asked'],
  columns: readonly number[],
) => ReadonlyMap<number, Cell>;

function fill(layout: Layout, work: readonly RowWork[], lookUp: LookUp): FilledBlock {
  const { plan, reader, asText } = layout;
  const block = new RowBlock(plan, asText);
  const taken: RowWork[] = [];
  const refused: { item: RowWork; error: TributaryError }[] = [];
  /** What is known of the rows in the block, from the first time that it is asked for. */
  let lastRows: LastRows | undefined;
  /** By their rows the deletes in the block. */
  const deletes = new Map<number, Deleted>();

  const complete = (item: RowWork, place: RowPlace, unchanged: readonly number[]) => {
    lastRows ??= new LastRows(block, deletes);
    const key = block.keyOf(block.rows);
    const { lsn } = item.stamp.origin;
    // A row that was inserted lacks nothing, unless it was another before.
    const isMoved = item.stamp.kind === 'insert' && lsn !== null;
    const left = isMoved ? lastRows.deletedAt(lsn) : undefined;
    const before = isMoved ? left?.before : lastRows.of(key);
    const askedOf = (of: RowWork, at: RowPlace): AskedRow => ({
      key: reader.key(of.record.value ?? Buffer.alloc(0), at),
      version: of.stamp.version,
    });
    const values =
      before !== undefined
        ? undefined
        : isMoved
          ? lookUp(
              `moved at ${lsn}`,
              () => (left === undefined ? lsn : askedOf(left.item, left.place)),
              unchanged,
            )
          : lookUp(key, () => askedOf(item, place), unchanged);
    for (const column of unchanged) {
      if (before !== undefined) block.setFromRow(column, before);
      else block.setCell(column, values?.get(column) ?? null);
    }
  };

  for (const item of work) {
    const begin = block.rows;
    try {
      for (const place of item.rows) {
        const unchanged = reader.read(item.record.value ?? Buffer.alloc(0), place, block);
        const row = block.rows;
        if (unchanged.length > 0) {
          // With REPLICA IDENTITY FULL nothing is left out, and without a key nothing tells what it was.
          if (plan.isKeyless) throw incomplete(plan);
          complete(item, place, unchanged);
        }
        if (item.stamp.kind === 'delete') deletes.set(row, { item, place, before: undefined });
        block.endRow(item.stamp, place.isRemoved);
        lastRows?.note(row);
      }
      taken.push(item);
    } catch (error) {
      block.takeBack(begin);
      if (!concernsOneRecord(error)) throw error;
      refused.push({ item, error });
      // Rows of it that were counted are gone.
      for (const row of deletes.keys()) if (row >= begin) deletes.delete(row);
      if (lastRows !== undefined) lastRows = new LastRows(block, deletes);
    }
  }
  return { block, work: taken, refused };
}

/** A delete in a block. */
interface Deleted {
  readonly item: RowWork;
  readonly place: RowPlace;
  /** The row in the block that it took away; undefined when that is not in the block. */
  readonly before: number | undefined;
}

/** The last row of each key in a block, and what deletes took away. */
class LastRows {
  readonly #block: RowBlock;
  readonly #deletes: ReadonlyMap<number, Deleted>;
  readonly #byKey = new Map<string, number>();
  readonly #byLsn = new Map<Lsn, Deleted>();

  constructor(block: RowBlock, deletes: ReadonlyMap<number, Deleted>) {
    this.#block = block;
    this.#deletes = deletes;
    for (let row = 0; row < block.rows; row += 1) this.note(row);
  }

  of(key: string): number | undefined {
    return this.#byKey.get(key);
  }

  /** The delete that an update of a key began with, by the position of both in the source's log. */
  deletedAt(lsn: Lsn): Deleted | undefined {
    return this.#byLsn.get(lsn);
  }

  /** Takes account of the next row of the block. */
  note(row: number): void {
    const key = this.#block.keyOf(row);
    const deleted = this.#deletes.get(row);
    const lsn = deleted?.item.stamp.origin.lsn ?? null;
    if (deleted !== undefined && lsn !== null) {
      this.#byLsn.set(lsn, { ...deleted, before: this.#byKey.get(key) });
    }
    this.#byKey.set(key, row);
  }
}

function incomplete(plan: TablePlan): TributaryError {
  return new TributaryError(
    'ROW_INCOMPLETE',
    `${plan.source}.${plan.relation}: an update lacks a value that the warehouse does not have either`,
    { context: { source: plan.source, table: plan.relation } },
  );
}
