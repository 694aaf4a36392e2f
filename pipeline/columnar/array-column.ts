import type { Cell } from '../transform/column-type.ts';
import type { Column } from './column.ts';
import { FixedColumn } from './fixed-column.ts';
import { NullMap } from './null-map.ts';
import { rejectShape } from './fixed-values.ts';

/** A column of arrays: where each ends among all items, then the items. */
export class ArrayColumn implements Column {
  readonly type: string;
  readonly #ends: number[] = [];
  readonly #items: Column;
  readonly #nulls: NullMap | undefined;

  /** @param canHoldNull - whether items may be NULL */
  constructor(items: Column, canHoldNull: boolean) {
    this.#items = items;
    this.#nulls = canHoldNull ? new NullMap() : undefined;
    this.type = `Array(${canHoldNull ? `Nullable(${items.type})` : items.type})`;
  }

  get length(): number {
    return this.#ends.length;
  }

  appendDefault(): void {
    this.#ends.push(this.#items.length);
  }

  append(cell: Exclude<Cell, null>): void {
    if (!Array.isArray(cell)) throw rejectShape(this.type);
    const begin = this.#items.length;
    try {
      for (const item of cell as readonly Cell[]) this.#appendItem(item);
    } catch (error) {
      this.#takeBack(begin);
      throw error;
    }
    this.#ends.push(this.#items.length);
  }

  appendCopy(row: number): void {
    const [begin, end] = this.#place(row);
    for (let item = begin; item < end; item += 1) {
      this.#nulls?.append(this.#nulls.isNull(item));
      this.#items.appendCopy(item);
    }
    this.#ends.push(this.#items.length);
  }

  truncate(length: number): void {
    this.#ends.length = length;
    this.#takeBack(this.#ends.at(-1) ?? 0);
  }

  identity(row: number): string {
    const [begin, end] = this.#place(row);
    const items: (string | null)[] = [];
    for (let item = begin; item < end; item += 1) {
      items.push(this.#nulls?.isNull(item) === true ? null : this.#items.identity(item));
    }
    return JSON.stringify(items);
  }

  bytes(): Buffer[] {
    const ends = new FixedColumn('UInt64', 8, (bytes, at, cell) =>
      bytes.writeBigUInt64LE(BigInt(cell as number), at),
    );
    for (const end of this.#ends) ends.append(end);
    return [
      ...ends.bytes(),
      ...(this.#nulls === undefined ? [] : [this.#nulls.bytes()]),
      ...this.#items.bytes(),
    ];
  }

  #appendItem(item: Cell): void {
    if (item === null) {
      if (this.#nulls === undefined) throw rejectShape(this.type);
      this.#items.appendDefault();
    } else {
      this.#items.append(item);
    }
    this.#nulls?.append(item === null);
  }

  #takeBack(items: number): void {
    this.#items.truncate(items);
    this.#nulls?.truncate(items);
  }

  #place(row: number): [begin: number, end: number] {
    return [row === 0 ? 0 : (this.#ends[row - 1] ?? 0), this.#ends[row] ?? 0];
  }
}
