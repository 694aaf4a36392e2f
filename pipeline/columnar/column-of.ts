import { ArrayColumn } from './array-column.ts';
import type { Column } from './column.ts';
import { FixedColumn } from './fixed-column.ts';
import {
  decimalWidth,
  decimalWriter,
  floatWriter,
  integerWriter,
  writeBool,
  writeDate32,
  writeDateTime64,
  writeInt64,
  writeUuid,
} from './fixed-values.ts';
import { TextColumn } from './text-column.ts';

/** Type of all timestamps in the warehouse. */
const TIMESTAMP = "DateTime64(6, 'UTC')";

/** Makes an empty column. */
export type MakeColumn = () => Column;

const FIXED: Readonly<Record<string, MakeColumn>> = {
  Bool: () => new FixedColumn('Bool', 1, writeBool),
  Int16: () => new FixedColumn('Int16', 2, integerWriter('Int16')),
  Int32: () => new FixedColumn('Int32', 4, integerWriter('Int32')),
  Int64: () => new FixedColumn('Int64', 8, writeInt64),
  Float32: () => new FixedColumn('Float32', 4, floatWriter('Float32')),
  Float64: () => new FixedColumn('Float64', 8, floatWriter('Float64')),
  UUID: () => new FixedColumn('UUID', 16, writeUuid),
  Date32: () => new FixedColumn('Date32', 4, writeDate32),
  [TIMESTAMP]: () => new FixedColumn(TIMESTAMP, 8, writeDateTime64),
};

/**
 * How columns of a ClickHouse type of ours are made. A text with low cardinality is sent as a text:
 * ClickHouse makes its dictionary itself.
 *
 * @param type - a type that `columnTypeOf` gives, not Nullable
 */
export function columnOf(type: string): MakeColumn {
  const fixed = FIXED[type];
  if (fixed !== undefined) return fixed;
  const decimal = /^Decimal\((\d+), (\d+)\)$/.exec(type);
  if (decimal !== null) {
    const [precision, scale] = [Number(decimal[1]), Number(decimal[2])];
    const write = decimalWriter(precision, scale);
    return () => new FixedColumn(type, decimalWidth(precision), write);
  }
  const items = /^Array\((.*)\)$/.exec(type)?.[1];
  if (items !== undefined) {
    const plain = nullableItem(items);
    const makeItems = columnOf(plain ?? items);
    return () => new ArrayColumn(makeItems(), plain !== undefined);
  }
  if (type === 'String' || type === 'LowCardinality(String)') return () => new TextColumn();
  throw new Error(`no column of type ${type} can be made`);
}

/** Type of items that can be NULL, without that. */
function nullableItem(type: string): string | undefined {
  if (type === 'LowCardinality(Nullable(String))') return 'String';
  return /^Nullable\((.*)\)$/.exec(type)?.[1];
}
