import { GrowingBytes } from './growing-bytes.ts';

/** Which values of a column are NULL: a byte each. */
export class NullMap {
  readonly #data = new GrowingBytes(64);

  append(isNull: boolean): void {
    const at = this.#data.reserve(1);
    this.#data.bytes[at] = isNull ? 1 : 0;
  }

  isNull(row: number): boolean {
    return this.#data.bytes[row] === 1;
  }

  truncate(length: number): void {
    this.#data.length = length;
  }

  bytes(): Buffer {
    return this.#data.filled;
  }
}
