import avro from 'avsc';

/*
 * Arrays and maps say how many items follow. avsc believes them: ten bytes that claim two billion
 * items keep it busy for minutes and fill the memory, and a block that claims a negative size is
 * skipped backwards, for ever. Every item takes at least one byte, so more items than bytes are a
 * lie, whatever comes after.
 */

/** What avsc reads from. Its own name for it; not exported. */
interface Tap {
  readonly buf: Buffer;
  pos: number;
  readLong(): number;
  readString(): string;
}

/** A type's methods that avsc calls on each other; not declared in its typings. */
interface Readable {
  _read(tap: Tap): unknown;
}

/** Reads blocks of items until an empty one. @throws RangeError when they cannot all be there */
function forEachItem(tap: Tap, readItem: () => void): void {
  for (let count = tap.readLong(); count !== 0; count = tap.readLong()) {
    // A negative count is followed by the size of the block, for readers that want to jump.
    if (count < 0) tap.readLong();
    const items = Math.abs(count);
    if (!(items <= tap.buf.length - tap.pos)) throw new RangeError('more items than bytes');
    for (let item = 0; item < items; item += 1) readItem();
  }
}

/** An Avro array that holds no more items than there are bytes. */
export class BoundedArrayType extends avro.types.ArrayType {
  _read(tap: Tap): unknown[] {
    const items = this.itemsType as unknown as Readable;
    const read: unknown[] = [];
    forEachItem(tap, () => read.push(items._read(tap)));
    return read;
  }

  _skip(tap: Tap): void {
    this._read(tap);
  }
}

/** An Avro map that holds no more entries than there are bytes. */
export class BoundedMapType extends avro.types.MapType {
  _read(tap: Tap): Record<string, unknown> {
    // A resolver borrows this method and has `valuesType` of its own.
    const values = (this as unknown as { valuesType: Readable }).valuesType;
    const read = new Map<string, unknown>();
    forEachItem(tap, () => read.set(tap.readString(), values._read(tap)));
    return Object.fromEntries(read);
  }

  _skip(tap: Tap): void {
    this._read(tap);
  }
}
