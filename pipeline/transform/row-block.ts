import type { AvroCursor } from '../avro/avro-cursor.ts';
import type { ChangeStamp } from '../change/change-stamp.ts';
import { columnOf } from '../columnar/column-of.ts';
import type { Column } from '../columnar/column.ts';
import { nativeBlock } from '../columnar/native-block.ts';
import { NullMap } from '../columnar/null-map.ts';
import { TextColumn } from '../columnar/text-column.ts';
import type { Cell } from './column-type.ts';
import type { ReadInto } from './direct-values.ts';
import { OwnColumns } from './own-columns.ts';
import { OWN_COLUMNS, type PlannedColumn, type TablePlan } from './table-plan.ts';

/** Rows of one insert, column by column: those of a plan, then `OWN_COLUMNS`. */
export class RowBlock {
  readonly plan: TablePlan;
  readonly #columns: readonly Column[];
  readonly #nulls: readonly NullMap[];
  readonly #own = new OwnColumns();
  #rows = 0;

  /** @param asText - stored names of columns that the warehouse keeps as text, whatever they are */
  constructor(plan: TablePlan, asText: ReadonlySet<string>) {
    this.plan = plan;
    this.#columns = plan.columns.map(({ stored, type }) =>
      asText.has(stored) ? new TextColumn() : columnOf(type.clickhouse)(),
    );
    this.#nulls = plan.columns.map(() => new NullMap());
  }

  /** Number of whole rows. */
  get rows(): number {
    return this.#rows;
  }

  /** Adds the value at a cursor to the row that is being made. @returns whether it was there */
  read(index: number, read: ReadInto, cursor: AvroCursor): boolean {
    const column = this.#columns[index] as Column;
    const isThere = read(cursor, column);
    if (!isThere) column.appendDefault();
    this.#nulls[index]?.append(!isThere);
    return isThere;
  }

  /** Adds NULL to the row that is being made; where there can be none, what stands for it. */
  addNull(index: number): void {
    this.#columns[index]?.appendDefault();
    this.#nulls[index]?.append(true);
  }

  /** Sets the value that was added last, of a column that had none, to that of another row. */
  setFromRow(index: number, row: number): void {
    this.#columns[index]?.truncate(this.#rows);
    this.#nulls[index]?.truncate(this.#rows);
    this.#columns[index]?.appendCopy(row);
    this.#nulls[index]?.append(this.#nulls[index].isNull(row));
  }

  /** The same, to a value that was looked up. */
  setCell(index: number, cell: Cell): void {
    this.#columns[index]?.truncate(this.#rows);
    this.#nulls[index]?.truncate(this.#rows);
    if (cell === null) this.addNull(index);
    else {
      this.#columns[index]?.append(cell);
      this.#nulls[index]?.append(false);
    }
  }

  /** Ends the row that is being made. @throws TributaryError `VALUE_REJECTED` */
  endRow(stamp: ChangeStamp, isRemoved: boolean): void {
    this.#own.append(stamp, isRemoved);
    this.#rows += 1;
  }

  /** Forgets the row that is being made, or all rows from one on. */
  takeBack(rows: number = this.#rows): void {
    for (const column of this.#columns) column.truncate(rows);
    for (const nulls of this.#nulls) nulls.truncate(rows);
    for (const column of this.#own.all) column.truncate(rows);
    this.#rows = rows;
  }

  /** Text that is equal exactly for rows of the same key, also of the row that is being made. */
  keyOf(row: number): string {
    return JSON.stringify(
      this.plan.columns.flatMap(({ isKey }, index) =>
        isKey ? [this.#columns[index]?.identity(row)] : [],
      ),
    );
  }

  /**
   * The rows in ClickHouse's format Native.
   *
   * @param canBeNull - whether a column of the table that they are for takes NULL
   */
  bytes(canBeNull: (column: PlannedColumn) => boolean): Buffer[] {
    const planned = this.plan.columns.map((column, index) => {
      const type = this.#columns[index]?.type ?? '';
      const data = this.#columns[index]?.bytes() ?? [];
      const nulls = canBeNull(column) ? this.#nulls[index]?.bytes() : undefined;
      return nulls === undefined
        ? { name: column.stored, type, bytes: data }
        : { name: column.stored, type: `Nullable(${type})`, bytes: [nulls, ...data] };
    });
    const own = this.#own.all.map((column, index) => ({
      name: OWN_COLUMNS[index]?.name ?? '',
      type: column.type,
      bytes: column.bytes(),
    }));
    return nativeBlock(this.#rows, [...planned, ...own]);
  }
}
