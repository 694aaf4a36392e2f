/*
 * Reading Avro where it lies: a place in the bytes of a record that moves on as values are read. For
 * what is done with every row of the stream, where objects made of values only to be written again
 * would cost more than all else.
 */

/** Longest varint of 64 bits. */
const MAX_VARINT_BYTES = 10;
const TWO_POW_32 = 4_294_967_296;

/** The bytes are not what the schema says. Says why, and never a value. */
export class AvroMismatch extends Error {}

const tooShort = () => new AvroMismatch('it ends too early');

/** A place in Avro bytes. All methods throw {@link AvroMismatch} when the bytes do not fit. */
export class AvroCursor {
  bytes: Buffer = Buffer.alloc(0);
  at = 0;
  /** Halves of the long that was read last, two's complement. */
  high = 0;
  low = 0;

  /** Goes to a place in other bytes. */
  reset(bytes: Buffer, at: number): void {
    this.bytes = bytes;
    this.at = at;
  }

  get isAtEnd(): boolean {
    return this.at === this.bytes.length;
  }

  readByte(): number {
    const byte = this.bytes[this.at];
    if (byte === undefined) throw tooShort();
    this.at += 1;
    return byte;
  }

  readBoolean(): boolean {
    const byte = this.readByte();
    if (byte > 1) throw new AvroMismatch('a choice or symbol in it does not exist');
    return byte === 1;
  }

  /** Reads an int or long into {@link high} and {@link low}. */
  readLong(): void {
    const { bytes } = this;
    let { at } = this;
    let byte = bytes[at++];
    if (byte === undefined) throw tooShort();
    if (byte < 0x80) {
      this.at = at;
      this.low = (byte >>> 1) ^ -(byte & 1);
      this.high = -(byte & 1);
      return;
    }
    // Groups of 7 bits: four of them are 28, which an integer of 32 holds.
    let first = byte & 0x7f;
    let second = 0;
    let third = 0;
    for (let index = 1; byte >= 0x80; index += 1) {
      if (index === MAX_VARINT_BYTES) throw new AvroMismatch('a number in it has too many bytes');
      byte = bytes[at++];
      if (byte === undefined) throw tooShort();
      const bits = (byte & 0x7f) << (7 * (index & 3));
      if (index < 4) first |= bits;
      else if (index < 8) second |= bits;
      else third |= bits;
    }
    this.at = at;
    const low = first | (second << 28);
    const high = (second >>> 4) | (third << 24);
    const sign = -(low & 1);
    this.low = ((low >>> 1) | (high << 31)) ^ sign;
    this.high = (high >>> 1) ^ sign;
  }

  /** Reads an int, or a long that is small. */
  readInt(): number {
    this.readLong();
    return this.low;
  }

  /** The long that was read last as a number; exact within 2^53. */
  get long(): number {
    return this.high * TWO_POW_32 + (this.low >>> 0);
  }

  /** The long that was read last. */
  get bigLong(): bigint {
    return (BigInt(this.high) << 32n) | BigInt(this.low >>> 0);
  }

  /** Reads the length of what follows, which has to be there. */
  readLength(): number {
    this.readLong();
    const length = this.long;
    if (length < 0 || length > this.bytes.length - this.at) throw tooShort();
    return length;
  }

  /** Moves on over bytes. */
  skip(count: number): void {
    if (count > this.bytes.length - this.at) throw tooShort();
    this.at += count;
  }

  /** Reads the number of a union's branch. */
  readBranch(branches: number): number {
    const branch = this.readInt();
    if (this.high !== 0 || branch < 0 || branch >= branches) {
      throw new AvroMismatch('a choice or symbol in it does not exist');
    }
    return branch;
  }
}

/**
 * For reading a record from one end to the other in one go, whatever its table. A cursor keeps the bytes
 * it was at last, and these keep the whole answer of the broker that they came in: one for each table
 * would hold megabytes for each table of which nothing more comes.
 */
export const SHARED_CURSOR = new AvroCursor();
