import type { AvroAnnotated, AvroSchema } from '../avro/avro-schema.ts';
import type { TableRules } from '../catalog/column-rules.ts';
import { ARRAY_SCHEMA, isReadElement } from '../transform/array-type.ts';
import { planTable, type PublishedColumns, type TablePlan } from '../transform/table-plan.ts';
import type { SourceColumn } from '../verify/table-shape.ts';

/** What tells that a plan was made from the source's catalog and not from a registered schema. */
const NO_SCHEMA_ID = 0;

/**
 * Plans the storage of a table of which no record has come yet, from the columns of its source. The
 * schemas are those that the connector would register, so that the plan is the one its first record
 * would make.
 *
 * @throws TributaryError `KEY_MISSING`, `MASK_REFUSED`
 */
export function planFromSource(input: {
  source: string;
  schema: string;
  table: string;
  columns: readonly SourceColumn[];
  rules: TableRules;
  published?: PublishedColumns;
}): TablePlan {
  const { source, schema, table, columns, rules, published } = input;
  const fields = columns.map((column) => {
    const type = columnSchema(column);
    return { name: column.name, type: column.notNull ? type : ['null', type] };
  });
  const key = columns
    .filter(({ keyPlace }) => keyPlace !== null)
    .toSorted((a, b) => (a.keyPlace ?? 0) - (b.keyPlace ?? 0));
  const record = (name: string, members: readonly object[]) => ({
    type: 'record',
    name,
    fields: members,
  });
  return planTable({
    source,
    schema,
    table,
    keySchema:
      key.length === 0
        ? null
        : record(
            'Key',
            fields.filter(({ name }) => key.some((column) => column.name === name)),
          ),
    valueSchema: record('Envelope', [
      { name: 'before', type: ['null', record('Value', fields)] },
      { name: 'after', type: ['null', 'Value'] },
      { name: 'source', type: 'null' },
      { name: 'op', type: 'string' },
    ]),
    schemaId: NO_SCHEMA_ID,
    rules,
    ...(published === undefined ? {} : { published }),
  } as Parameters<typeof planTable>[0]);
}

function columnSchema({ type, element, modifier, isEnum }: SourceColumn): AvroSchema {
  if (element === null) return valueSchema(type, modifier, isEnum);
  return {
    ...named('string', ARRAY_SCHEMA),
    'connect.parameters': {
      ...(isReadElement(element) ? { element } : {}),
      ...(element === 'box' ? { delimiter: ';' } : {}),
    },
  };
}

const named = (type: string, name: string): AvroAnnotated => ({ type, 'connect.name': name });

const BY_TYPE: Readonly<Record<string, AvroSchema>> = {
  bool: 'boolean',
  int2: { type: 'int', 'connect.type': 'int16' },
  int4: 'int',
  int8: 'long',
  oid: 'long',
  float4: 'float',
  float8: 'double',
  date: named('int', 'io.debezium.time.Date'),
  timestamp: named('long', 'io.debezium.time.MicroTimestamp'),
  timestamptz: named('string', 'io.debezium.time.ZonedTimestamp'),
  uuid: named('string', 'io.debezium.data.Uuid'),
};

/** @param modifier - what is in the brackets of a type's declaration, as Postgres packs it; -1: none */
function valueSchema(type: string, modifier: number, isEnum: boolean): AvroSchema {
  if (isEnum) return named('string', 'io.debezium.data.Enum');
  if (type === 'numeric') return numericSchema(modifier);
  if (type === 'bit') return modifier === 1 ? 'boolean' : 'string';
  return BY_TYPE[type] ?? 'string';
}

function numericSchema(modifier: number): AvroSchema {
  // Precision and scale; the scale has 11 bits and a sign since PostgreSQL 15.
  const precision = modifier < 0 ? 0 : ((modifier - 4) >> 16) & 0xff_ff;
  const scale = modifier < 0 ? 0 : (((modifier - 4) & 0x7_ff) ^ 1_024) - 1_024;
  return {
    type: 'string',
    'connect.parameters': {
      '__debezium.source.column.type': 'NUMERIC',
      '__debezium.source.column.length': String(precision),
      '__debezium.source.column.scale': String(scale),
    },
  };
}
