import type { Cell } from '../transform/column-type.ts';
import type { Column } from './column.ts';
import { GrowingBytes } from './growing-bytes.ts';

/** Writes a value at a place, over as many bytes as its type has. @throws TributaryError `VALUE_REJECTED` */
export type WriteFixed = (bytes: Buffer, at: number, cell: Exclude<Cell, null>) => void;

const ROWS_AT_FIRST = 64;

/** A column whose values all take the same number of bytes. */
export class FixedColumn implements Column {
  readonly type: string;
  readonly width: number;
  readonly #write: WriteFixed;
  readonly #data: GrowingBytes;

  constructor(type: string, width: number, write: WriteFixed) {
    this.type = type;
    this.width = width;
    this.#write = write;
    this.#data = new GrowingBytes(ROWS_AT_FIRST * width);
  }

  get length(): number {
    return this.#data.length / this.width;
  }

  /** Makes room for one more value, to be written at `place` of `buffer` by the caller. */
  grow(): number {
    return this.#data.reserve(this.width);
  }

  /** Where values are written; another one after each {@link grow}. */
  get buffer(): Buffer {
    return this.#data.bytes;
  }

  /** The same, as a view. */
  get view(): DataView {
    return this.#data.view;
  }

  appendDefault(): void {
    const at = this.grow();
    this.buffer.fill(0, at, at + this.width);
  }

  append(cell: Exclude<Cell, null>): void {
    const at = this.grow();
    try {
      this.#write(this.buffer, at, cell);
    } catch (error) {
      this.#data.length = at;
      throw error;
    }
  }

  appendCopy(row: number): void {
    const at = this.grow();
    this.buffer.copyWithin(at, row * this.width, (row + 1) * this.width);
  }

  truncate(length: number): void {
    this.#data.length = length * this.width;
  }

  identity(row: number): string {
    return this.buffer.toString('latin1', row * this.width, (row + 1) * this.width);
  }

  bytes(): Buffer[] {
    return [this.#data.filled];
  }
}
