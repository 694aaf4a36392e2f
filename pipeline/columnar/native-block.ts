import { writeVarint, varintBytes } from './growing-bytes.ts';

/** One column of a block. */
export interface BlockColumn {
  readonly name: string;
  /** ClickHouse type of the bytes; where the table has another, ClickHouse converts. */
  readonly type: string;
  readonly bytes: readonly Buffer[];
}

/** Rows as a block of ClickHouse's format Native. */
export function nativeBlock(rows: number, columns: readonly BlockColumn[]): Buffer[] {
  return [
    varints(columns.length, rows),
    ...columns.flatMap(({ name, type, bytes }) => [text(name), text(type), ...bytes]),
  ];
}

function varints(...values: number[]): Buffer {
  const bytes = Buffer.alloc(values.reduce((sum, value) => sum + varintBytes(value), 0));
  values.reduce((at, value) => writeVarint(bytes, at, value), 0);
  return bytes;
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([varints(bytes.length), bytes]);
}
