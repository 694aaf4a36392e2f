import type { ClickHouseClient } from '@clickhouse/client';
import pg from 'pg';
import type { Secret } from '#runtime/config.ts';
import { describeError, TributaryError } from '#runtime/errors.ts';
import type { Logger } from '#runtime/log.ts';
import { findSource, type Catalog } from '../catalog/catalog.ts';
import { requestResync } from '../resync/request-resync.ts';
import { isKeyless } from '../sink/keyless-ddl.ts';
import { isSchemaSeen, recordSchemaChange, recordSchemaSeen } from '../sink/schema-history.ts';
import { storedColumns } from '../sink/stored-columns.ts';
import { publishNames, type CatalogColumn } from '../transform/published-names.ts';
import { relationName, storageName, type PublishedColumns } from '../transform/table-plan.ts';
import { knownColumns, rememberColumns, type SourceTableName } from './column-memory.ts';

/** Under which names the columns of a table are published. */
export interface ColumnNames {
  /**
   * How the columns of a schema are published that is new to this process. What changed is written to `ops.schema_history`.
   *
   * @throws TributaryError `SINK_UNAVAILABLE`, `SOURCE_UNAVAILABLE` (retry)
   */
  of(
    table: SourceTableName,
    columns: readonly string[],
    schemaId: number,
  ): Promise<PublishedColumns>;
}

const CONNECT_TIMEOUT_MS = 10_000;
const STATEMENT_TIMEOUT_MS = 10_000;

const COLUMNS = `
  SELECT attnum AS number, attname AS name, format_type(atttypid, atttypmod) AS type,
         atthasdef OR attnotnull OR attidentity <> '' AS "hasDefault"
  FROM pg_attribute
  WHERE attrelid = to_regclass(format('%I.%I', $1::text, $2::text))
    AND attnum > 0 AND NOT attisdropped
  ORDER BY attnum`;

/** Names kept in the warehouse. A source is asked once for each schema that is new to it. */
export function createColumnNames(
  client: ClickHouseClient,
  catalog: Catalog,
  log: Logger,
): ColumnNames {
  return {
    async of(table, columns, schemaId) {
      const source = findSource(catalog, table.source);
      const known = await knownColumns(client, table);
      const ofSchema = { ...table, schemaId };
      const isSeen = await isSchemaSeen(client, ofSchema);
      const now =
        source === undefined || isSeen ? undefined : await catalogColumns(source.url, table);
      const declared = source?.renames.get(`${table.schema}.${table.table}`) ?? new Map();
      const { names, gone, learned, notes, rewrites } = publishNames(columns, declared, known, now);
      for (const note of notes) {
        log.warn({ source: table.source, table: table.table }, note);
        await recordSchemaChange(
          client,
          ofSchema,
          note,
          'none needed: published names and values stay',
        );
      }
      const reasons = [...rewrites];
      if (learned.some(({ isGone }) => isGone) && (await isStoredKeyless(client, table))) {
        reasons.push('rows are told apart by all columns, and one is gone');
      }
      for (const reason of reasons) {
        await requestResync(client, { ...table, reason });
        await recordSchemaChange(client, ofSchema, reason, 'resync requested');
      }
      await rememberColumns(client, table, learned);
      if (!isSeen) await recordSchemaSeen(client, ofSchema);
      return { names, gone };
    },
  };
}

async function isStoredKeyless(
  client: ClickHouseClient,
  { source, schema, table }: SourceTableName,
): Promise<boolean> {
  const storage = storageName({ source, relation: relationName(schema, table) });
  return isKeyless(await storedColumns(client, storage));
}

async function catalogColumns(
  url: Secret,
  { source, schema, table }: SourceTableName,
): Promise<CatalogColumn[]> {
  const client = new pg.Client({
    connectionString: url.reveal(),
    application_name: 'tributary pipeline',
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    statement_timeout: STATEMENT_TIMEOUT_MS,
  });
  // A connection that breaks between two queries would otherwise end the process.
  client.on('error', () => undefined);
  try {
    await client.connect();
    const { rows } = await client.query<CatalogColumn>(COLUMNS, [schema, table]);
    return rows;
  } catch (error) {
    throw new TributaryError(
      'SOURCE_UNAVAILABLE',
      `source ${source}: the columns of ${schema}.${table} cannot be read: ${describeError(error)}`,
      { cause: error },
    );
  } finally {
    await client.end().catch(() => undefined);
  }
}
