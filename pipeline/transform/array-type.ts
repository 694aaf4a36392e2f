import { TributaryError } from '#runtime/errors.ts';
import type { ColumnValue } from '../change/row-image.ts';
import { readArray } from './array-literal.ts';
import type { Cell, ColumnType } from './column-type.ts';
import { dateOfText, timestampOfText } from './temporal-text.ts';

/** Name of the schema by which our converter carries an array: as the text that Postgres prints. */
export const ARRAY_SCHEMA = 'io.tributary.data.Array';

/** How elements are stored. */
interface ElementType {
  readonly clickhouse: string;
  /** @throws TributaryError `VALUE_REJECTED` */
  readonly encode: (text: string) => Cell;
}

const asIs = (clickhouse: string): ElementType => ({ clickhouse, encode: (text) => text });
const number = (clickhouse: string): ElementType => ({ clickhouse, encode: Number });

// JSON has no NaN or infinity; ClickHouse reads them from text.
const FLOATS: Readonly<Record<string, string>> = {
  NaN: 'nan',
  Infinity: 'inf',
  '-Infinity': '-inf',
  '-0': '-0',
};
const float = (clickhouse: string): ElementType => ({
  clickhouse,
  encode: (text) => FLOATS[text] ?? Number(text),
});

const TIMESTAMP: ElementType = { clickhouse: "DateTime64(6, 'UTC')", encode: timestampOfText };

/**
 * Types of elements that ClickHouse has, by Postgres's names; all others are kept as the text that
 * Postgres prints. The converter names these alone: `connectors/java/…/ExactText.java`.
 */
const ELEMENTS: Readonly<Record<string, ElementType>> = {
  bool: { clickhouse: 'Bool', encode: (text) => text === 't' },
  int2: number('Int16'),
  int4: number('Int32'),
  int8: asIs('Int64'),
  oid: asIs('Int64'),
  float4: float('Float32'),
  float8: float('Float64'),
  date: { clickhouse: 'Date32', encode: dateOfText },
  timestamp: TIMESTAMP,
  timestamptz: TIMESTAMP,
  uuid: asIs('UUID'),
};
const TEXT = asIs('String');

/** Whether the pipeline reads elements of a type; the schema of an array names those alone. */
export function isReadElement(name: string): boolean {
  return name in ELEMENTS;
}

/**
 * An array of one dimension. Elements are `Nullable`: any of Postgres's may be NULL.
 *
 * @param element - of {@link ELEMENTS}, or undefined for one that is kept as text
 */
export function arrayType(element: string | undefined, delimiter: string | undefined): ColumnType {
  const { clickhouse, encode } = (element === undefined ? undefined : ELEMENTS[element]) ?? TEXT;
  return {
    clickhouse: `Array(Nullable(${clickhouse}))`,
    canBeNullable: false,
    encode: (value: ColumnValue) => {
      if (typeof value !== 'string') {
        throw new TributaryError('VALUE_REJECTED', 'a value does not have the shape of Array');
      }
      return readArray(value, delimiter).map((item) => (item === null ? null : encode(item)));
    },
  };
}
