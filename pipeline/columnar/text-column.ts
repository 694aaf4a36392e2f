import type { Cell } from '../transform/column-type.ts';
import type { Column } from './column.ts';
import { GrowingBytes, varintBytes, writeVarint } from './growing-bytes.ts';

const BYTES_AT_FIRST = 1_024;
/** Shorter than this, bytes are copied quicker one by one than by a call. */
const SHORT = 32;

/** A column of texts: each its length in bytes, then its bytes. */
export class TextColumn implements Column {
  readonly type = 'String';
  readonly #data = new GrowingBytes(BYTES_AT_FIRST);
  /** Where each value begins, with its length. */
  readonly #begins: number[] = [];

  get length(): number {
    return this.#begins.length;
  }

  appendDefault(): void {
    this.#begins.push(this.#data.length);
    const at = this.#data.reserve(1);
    this.#data.bytes[at] = 0;
  }

  append(cell: Exclude<Cell, null>): void {
    // What ClickHouse, too, takes for the text of a number or truth value in JSON.
    const text = typeof cell === 'string' ? cell : JSON.stringify(cell);
    const size = Buffer.byteLength(text);
    const place = this.#grow(size);
    this.#data.bytes.write(text, place, size, 'utf8');
  }

  /** Adds the text that lies in UTF-8 in other bytes. */
  appendBytes(source: Buffer, begin: number, end: number): void {
    const size = end - begin;
    const place = this.#grow(size);
    const { bytes } = this.#data;
    if (size < SHORT) {
      for (let index = 0; index < size; index += 1) {
        bytes[place + index] = source[begin + index] as number;
      }
    } else {
      source.copy(bytes, place, begin, end);
    }
  }

  appendCopy(row: number): void {
    const [begin, end] = this.#place(row);
    this.#begins.push(this.#data.length);
    const at = this.#data.reserve(end - begin);
    this.#data.bytes.copyWithin(at, begin, end);
  }

  truncate(length: number): void {
    const end = this.#begins[length];
    if (end === undefined) return;
    this.#data.length = end;
    this.#begins.length = length;
  }

  identity(row: number): string {
    return this.#data.bytes.toString('latin1', ...this.#place(row));
  }

  bytes(): Buffer[] {
    return [this.#data.filled];
  }

  #grow(size: number): number {
    this.#begins.push(this.#data.length);
    const at = this.#data.reserve(varintBytes(size) + size);
    return writeVarint(this.#data.bytes, at, size);
  }

  #place(row: number): [begin: number, end: number] {
    return [this.#begins[row] ?? 0, this.#begins[row + 1] ?? this.#data.length];
  }
}
