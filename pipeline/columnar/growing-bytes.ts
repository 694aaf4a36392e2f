/** Bytes that more are added to. */
export class GrowingBytes {
  bytes: Buffer;
  length = 0;
  #view: DataView | undefined;

  constructor(capacity: number) {
    this.bytes = Buffer.allocUnsafe(capacity);
  }

  /** The same bytes, where integers of 64 bits are written without being taken apart. */
  get view(): DataView {
    if (this.#view === undefined) {
      const { buffer, byteOffset, length } = this.bytes;
      this.#view = new DataView(buffer, byteOffset, length);
    }
    return this.#view;
  }

  /** Makes room for `count` more bytes and counts them as there. @returns where they begin */
  reserve(count: number): number {
    const at = this.length;
    const length = at + count;
    if (length > this.bytes.length) {
      const larger = Buffer.allocUnsafe(Math.max(length, 2 * this.bytes.length));
      this.bytes.copy(larger, 0, 0, at);
      this.bytes = larger;
      this.#view = undefined;
    }
    this.length = length;
    return at;
  }

  /** What is there; valid until more is added. */
  get filled(): Buffer {
    return this.bytes.subarray(0, this.length);
  }
}

/** Bytes of a varint, as ClickHouse writes lengths and counts. */
export function varintBytes(value: number): number {
  let count = 1;
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) count += 1;
  return count;
}

/** Writes a varint. @returns where the next byte goes */
export function writeVarint(bytes: Buffer, at: number, value: number): number {
  let place = at;
  let rest = value;
  while (rest >= 0x80) {
    bytes[place++] = (rest % 0x80) | 0x80;
    rest = Math.floor(rest / 0x80);
  }
  bytes[place++] = rest;
  return place;
}
