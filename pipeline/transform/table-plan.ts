import { TributaryError } from '#runtime/errors.ts';
import {
  isRecord,
  unwrapNullable,
  type AvroField,
  type AvroRecord,
  type AvroSchema,
} from '../avro/avro-schema.ts';
import { rowSchemaOf } from '../change/envelope-reader.ts';
import type { TableRules } from '../catalog/column-rules.ts';
import type { Mask } from '../catalog/mask.ts';
import { columnTypeOf, jsonTextOf, type ColumnType } from './column-type.ts';
import { canBeHashed, maskedType } from './masked-type.ts';

/** Columns that Tributary adds to the change log and the current table, in this order. */
export const OWN_COLUMNS = [
  {
    name: '_version',
    clickhouse: 'UInt128',
    comment: 'place in the commit order of the source: epoch, commit LSN, offset',
  },
  { name: '_deleted', clickhouse: 'UInt8', comment: '1 when the change removed the row' },
  {
    name: '_op',
    clickhouse: 'LowCardinality(String)',
    comment: 'snapshot, insert, update, delete or truncate',
  },
  {
    name: '_committed_at',
    clickhouse: "DateTime64(6, 'UTC')",
    comment: 'commit time at the source; of a snapshot row, when it was read',
  },
  {
    name: '_lsn',
    clickhouse: 'UInt64',
    comment: "the change's own position in the source's log; not in commit order",
  },
  { name: '_partition', clickhouse: 'UInt32', comment: 'Kafka partition of the change' },
  { name: '_offset', clickhouse: 'UInt64', comment: 'Kafka offset of the change' },
  {
    name: '_transaction',
    clickhouse: 'UInt32',
    comment: 'transaction at the source, the low 32 bits of its number; 0 when not told',
  },
] as const;

/**
 * Columns that the change log of a table without a key has as well. ClickHouse computes them of the
 * others, so that rows are equal however they came.
 */
export const COPY_COLUMNS = {
  row: '_row',
  copies: '_copies',
} as const;

/** Names of all columns of ours. */
export const OWN_NAMES: ReadonlySet<string> = new Set<string>([
  ...OWN_COLUMNS.map((column) => column.name),
  ...Object.values(COPY_COLUMNS),
]);

/** How one source column is stored. */
export interface PlannedColumn {
  /** Name in the view: the one under which the column was first seen. */
  readonly name: string;
  /** Name at the source. */
  readonly sourceName: string;
  /** Field of the Avro row. */
  readonly field: string;
  /** Name in the storage tables: differs from `name` only where that is one of ours. */
  readonly stored: string;
  readonly type: ColumnType;
  /** Kept as text because the catalog says so (`text_columns`). */
  readonly keptAsText: boolean;
  /** Whether the source allows NULL. */
  readonly nullable: boolean;
  readonly isKey: boolean;
}

/** How the columns of one schema are published. */
export interface PublishedColumns {
  /** Names in the warehouse by names at the source; a column that is not there keeps its own. */
  readonly names: ReadonlyMap<string, string>;
  /** Published names of columns that the source no longer has. */
  readonly gone: ReadonlySet<string>;
}

/** How the records of one topic, written with one pair of schemas, become rows. */
export interface TablePlan {
  readonly source: string;
  readonly schema: string;
  readonly table: string;
  /** Name within the warehouse: `table`, or `schema__table` outside `public`. */
  readonly relation: string;
  readonly columns: readonly PlannedColumn[];
  /** Schema of its rows as they lie in records, dropped columns too. */
  readonly row: AvroRecord;
  /** Whether nothing tells its rows apart: equal ones are counted. */
  readonly isKeyless: boolean;
  /** Published names of columns that the source no longer has. */
  readonly gone: ReadonlySet<string>;
  /** Whether the catalog says to drop a column, by its published name. */
  readonly isDropped: (column: string) => boolean;
  /** Whether analysts rely on a column, by its published name (`contract` in the catalog). */
  readonly isInContract: (column: string) => boolean;
  /** Value schema that this plan was made from; for the schema history. */
  readonly schemaId: number;
}

/** Name of the storage tables in the databases `current` and `changes`. */
export function storageName(plan: Pick<TablePlan, 'source' | 'relation'>): string {
  return `${plan.source}__${plan.relation}`;
}

/** Name of a source table within the warehouse. */
export function relationName(schema: string, table: string): string {
  return schema === 'public' ? table : `${schema}__${table}`;
}

/**
 * Plans the storage of a table from the schemas of its records. Without a key schema it is one
 * whose rows nothing tells apart.
 *
 * @throws TributaryError `ENVELOPE_UNEXPECTED` for a value schema that is not an envelope, or a key
 * of another table, `MASK_REFUSED`
 */
export function planTable(input: {
  source: string;
  schema: string;
  table: string;
  keySchema: AvroSchema | null;
  valueSchema: AvroSchema;
  schemaId: number;
  rules: TableRules;
  /** How columns are published; without it under their own names. */
  published?: PublishedColumns;
}): TablePlan {
  const keyFields = new Set(keyFieldsOf(input.keySchema));
  const { rules } = input;
  const row = rowSchemaOf(input.valueSchema);
  const all = row.fields;
  const fieldNames = new Set(all.map(({ name }) => name));
  if (![...keyFields].every((name) => fieldNames.has(name))) {
    throw new TributaryError('ENVELOPE_UNEXPECTED', 'the key has columns that the row has not');
  }
  const published = (field: AvroField) => {
    const name = sourceNameOf(field);
    return input.published?.names.get(name) ?? name;
  };
  // A column that was renamed since stays masked.
  const maskOf = (field: AvroField) =>
    rules.maskOf(sourceNameOf(field)) ?? rules.maskOf(published(field));
  const fields = all.filter((field) => keyFields.has(field.name) || maskOf(field) !== 'drop');
  const stored = storedNames(fields.map(published));
  const columns = fields.map((field): PlannedColumn => {
    const { nullable } = unwrapNullable(field.type);
    const sourceName = sourceNameOf(field);
    const name = published(field);
    const isKey = keyFields.has(field.name);
    const mask = maskOf(field);
    if (mask !== undefined) refuseMask(input, sourceName, field, mask, isKey);
    const keptAsText = rules.isText(sourceName);
    const type =
      mask === undefined
        ? columnTypeOf(field.type, keptAsText, isKey)
        : maskedType(field.type, mask, rules.hash);
    return {
      name,
      sourceName,
      field: field.name,
      stored: stored.get(name) ?? name,
      // ClickHouse has no Nullable(Array): a nullable array is kept as text, a column at a time.
      type: nullable && !type.canBeNullable ? jsonTextOf(type) : type,
      keptAsText,
      nullable,
      isKey,
    };
  });
  return {
    source: input.source,
    schema: input.schema,
    table: input.table,
    relation: relationName(input.schema, input.table),
    columns,
    row,
    isKeyless: keyFields.size === 0,
    gone: input.published?.gone ?? new Set(),
    isDropped: (column) => rules.maskOf(column) === 'drop',
    isInContract: rules.isInContract,
    schemaId: input.schemaId,
  };
}

/** @throws TributaryError `MASK_REFUSED` for a mask that would make one row of many, or cannot be */
function refuseMask(
  { source, schema, table }: { source: string; schema: string; table: string },
  column: string,
  field: AvroField,
  mask: Mask,
  isKey: boolean,
): void {
  const refuse = (why: string) => {
    throw new TributaryError(
      'MASK_REFUSED',
      `${source}: ${schema}.${table}, column ${column}: \`${mask}\` ${why}`,
    );
  };
  if (isKey && mask !== 'hash')
    refuse('would leave nothing to tell the rows of the table apart by');
  if (mask === 'hash' && !canBeHashed(field.type)) {
    refuse(
      'takes a type whose equal values have one text, not an array or a floating-point number',
    );
  }
}

/** Name of the column at the source; Avro allows fewer characters in its field names. */
export function sourceNameOf(field: AvroField): string {
  const { schema } = unwrapNullable(field.type);
  const parameters =
    typeof schema === 'object' && 'connect.parameters' in schema
      ? schema['connect.parameters']
      : undefined;
  return parameters?.['__debezium.source.column.name'] ?? field.name;
}

/** Fields of the key schema: the table's primary key. */
export function keyFieldsOf(keySchema: AvroSchema | null): readonly string[] {
  if (keySchema === null || !isRecord(keySchema)) return [];
  return keySchema.fields.map((field) => field.name);
}

/** Names in the storage tables of a table's columns, by their names at the source. */
export function storedNames(columns: readonly string[]): ReadonlyMap<string, string> {
  const names = new Set(columns);
  return new Map(columns.map((name) => [name, nameBeside(OWN_NAMES, name, names)]));
}

/** A name for a source column that is neither one of ours nor another source column's. */
export function nameBeside(
  ours: ReadonlySet<string>,
  name: string,
  sourceNames: ReadonlySet<string>,
): string {
  if (!ours.has(name)) return name;
  let free = `${name}_`;
  while (ours.has(free) || sourceNames.has(free)) free += '_';
  return free;
}
