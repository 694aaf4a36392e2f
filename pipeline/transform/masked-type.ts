import { unwrapNullable, type AvroSchema } from '../avro/avro-schema.ts';
import { REDACTED, type Mask } from '../catalog/mask.ts';
import { ARRAY_SCHEMA } from './array-type.ts';
import { columnTypeOf, textOf, type ColumnType } from './column-type.ts';

/**
 * How a masked column is stored: as text, whatever its type. Values are hashed in Postgres's own
 * spelling, so that 42 in a column of numbers and '42' in one of texts have one hash.
 */
export function maskedType(
  fieldSchema: AvroSchema,
  mask: Mask,
  hash: (text: string) => string,
): ColumnType {
  const exact = columnTypeOf(fieldSchema, true);
  return {
    clickhouse: 'String',
    canBeNullable: true,
    encode: mask === 'hash' ? (value) => hash(textOf(exact.encode(value))) : () => REDACTED,
  };
}

/** Whether equal values of a type have one text, and others another. */
export function canBeHashed(fieldSchema: AvroSchema): boolean {
  const { clickhouse } = columnTypeOf(fieldSchema, true);
  const { schema } = unwrapNullable(fieldSchema);
  const isArray =
    typeof schema === 'object' && 'type' in schema && schema['connect.name'] === ARRAY_SCHEMA;
  return !isArray && !clickhouse.startsWith('Float');
}
