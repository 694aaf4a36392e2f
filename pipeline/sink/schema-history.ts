import type { ClickHouseClient } from '@clickhouse/client';
import { sinkError } from './clickhouse-error.ts';

/** A table at its source, and the value schema that brought something new. */
export interface SchemaOfTable {
  readonly source: string;
  readonly schema: string;
  readonly table: string;
  /** Id in the registry; 0 when the source's catalog was read instead. */
  readonly schemaId: number;
}

/** Change that says that a schema has been dealt with. */
const SEEN = 'schema seen';

/**
 * Writes a line of `ops.schema_history`.
 *
 * @param action - what was done about it
 * @throws TributaryError `SINK_UNAVAILABLE`, `SINK_REFUSED`
 */
export async function recordSchemaChange(
  client: ClickHouseClient,
  { source, schema, table, schemaId }: SchemaOfTable,
  change: string,
  action: string,
): Promise<void> {
  try {
    await client.insert({
      table: 'ops.schema_history',
      values: [
        {
          source,
          table_schema: schema,
          table_name: table,
          schema_id: schemaId,
          change,
          action,
        },
      ],
      format: 'JSONEachRow',
    });
  } catch (error) {
    throw sinkError(error, 'recording a schema change');
  }
}

/** Remembers that all that a schema brought has been dealt with. */
export async function recordSchemaSeen(
  client: ClickHouseClient,
  table: SchemaOfTable,
): Promise<void> {
  await recordSchemaChange(client, table, SEEN, 'none needed');
}

/** Whether a schema has been dealt with before. @throws `SINK_UNAVAILABLE`, `SINK_REFUSED` */
export async function isSchemaSeen(
  client: ClickHouseClient,
  { source, schema, table, schemaId }: SchemaOfTable,
): Promise<boolean> {
  try {
    const result = await client.query({
      query: `SELECT 1 FROM ops.schema_history
              WHERE source = {source:String} AND table_schema = {schema:String}
                AND table_name = {table:String} AND schema_id = {schemaId:UInt32}
                AND change = {seen:String} LIMIT 1`,
      query_params: { source, schema, table, schemaId, seen: SEEN },
      format: 'JSONEachRow',
    });
    return (await result.json()).length > 0;
  } catch (error) {
    throw sinkError(error, 'reading the schema history');
  }
}
