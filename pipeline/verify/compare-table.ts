import { createHash } from 'node:crypto';
import type { ClickHouseClient } from '@clickhouse/client';
import pg from 'pg';
import { quoteName } from '../sink/identifier.ts';
import { relationName } from '../transform/table-plan.ts';
import { canonicalColumn, type CanonicalColumn } from './canonical-text.ts';

/** A table at its source. */
export interface SourceTable {
  readonly source: string;
  readonly schema: string;
  readonly table: string;
}

/** What the two sides of a table hold. */
export interface TableComparison extends SourceTable {
  readonly sourceRows: number;
  readonly warehouseRows: number;
  /** Rows of the source that the warehouse lacks. */
  readonly missing: number;
  /** Rows of the warehouse that the source does not have. */
  readonly surplus: number;
  /** Rows that differ in at least one column. */
  readonly different: number;
  /** Set when the two could not be compared, e.g. because the warehouse has no such table yet. */
  readonly problem?: string;
}

/** Whether both sides hold the same rows. */
export function agrees(comparison: TableComparison): boolean {
  const { missing, surplus, different, problem } = comparison;
  return problem === undefined && missing + surplus + different === 0;
}

const ROWS_AT_ONCE = 5_000;

/**
 * Compares every column of every row of a service's table with the warehouse's view of it.
 *
 * Keeps a digest per row, no rows. Meant for tables that are not being written to: while writes go
 * on, what is on its way counts as a difference.
 *
 * @param source - connected as a role that may read the table
 */
export async function compareTable(
  table: SourceTable,
  source: pg.Client,
  warehouse: ClickHouseClient,
): Promise<TableComparison> {
  const relation = relationName(table.schema, table.table);
  const columns = await viewColumns(warehouse, table.source, relation);
  const key = await primaryKey(source, table);
  const sourceColumns = await columnsOf(source, table);
  const problem = comparable(columns, key, sourceColumns);
  if (problem !== undefined) {
    const sourceRows = await countRows(source, table);
    const sides = {
      ...table,
      sourceRows,
      warehouseRows: 0,
      missing: sourceRows,
      surplus: 0,
      different: 0,
    };
    // The warehouse makes a table with its first row: none of it is what an empty table looks like.
    return sourceRows === 0 && columns.length === 0 ? sides : { ...sides, problem };
  }
  const types = new Map(columns.map(({ name, type }) => [name, type]));
  const canonical = sourceColumns.map(({ name, isArray }) =>
    canonicalColumn(types.get(name) ?? '', isArray, pgName(name), quoteName(name)),
  );
  const keyIndexes = key.map((name) => sourceColumns.findIndex((column) => column.name === name));
  const left = await sourceDigests(source, table, canonical, keyIndexes);
  const right = await warehouseDigests(
    warehouse,
    `${quoteName(table.source)}.${quoteName(relation)}`,
    canonical,
    keyIndexes,
  );
  let missing = 0;
  let different = 0;
  for (const [id, digest] of left) {
    const other = right.get(id);
    if (other === undefined) missing += 1;
    else if (other !== digest) different += 1;
  }
  const surplus = right.size - (left.size - missing);
  return {
    ...table,
    sourceRows: left.size,
    warehouseRows: right.size,
    missing,
    surplus,
    different,
  };
}

/**
 * Tables of a database that hold rows of their own: ordinary ones and roots of partitioned ones,
 * without temporary and system tables.
 */
export async function listTables(source: pg.Client): Promise<{ schema: string; table: string }[]> {
  const { rows } = await source.query<{ schema: string; table: string }>(
    `SELECT n.nspname AS schema, c.relname AS table FROM pg_class c
     JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence = 'p'
       AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\\_toast%'
     ORDER BY 1, 2`,
  );
  return rows;
}

type ViewColumn = { readonly name: string; readonly type: string };
type SourceColumn = { readonly name: string; readonly isArray: boolean };

function comparable(
  columns: readonly ViewColumn[],
  key: readonly string[],
  sourceColumns: readonly SourceColumn[],
): string | undefined {
  if (columns.length === 0) return 'the warehouse has no such table';
  if (key.length === 0) return 'the table has no primary key';
  const names = new Set(columns.map((column) => column.name));
  const lacking = sourceColumns.map(({ name }) => name).filter((name) => !names.has(name));
  return lacking.length === 0 ? undefined : `the warehouse lacks columns: ${lacking.join(', ')}`;
}

async function viewColumns(
  warehouse: ClickHouseClient,
  database: string,
  table: string,
): Promise<ViewColumn[]> {
  const result = await warehouse.query({
    query: `SELECT name, type FROM system.columns
            WHERE database = {database:String} AND table = {table:String} ORDER BY position`,
    query_params: { database, table },
    format: 'JSONEachRow',
  });
  return result.json<ViewColumn>();
}

async function primaryKey(source: pg.Client, { schema, table }: SourceTable): Promise<string[]> {
  const { rows } = await source.query<{ attname: string }>(
    `SELECT a.attname FROM pg_index i
     JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
     WHERE i.indisprimary AND i.indrelid = format('%I.%I', $1::text, $2::text)::regclass
     ORDER BY array_position(i.indkey::int2[], a.attnum)`,
    [schema, table],
  );
  return rows.map((row) => row.attname);
}

async function columnsOf(
  source: pg.Client,
  { schema, table }: SourceTable,
): Promise<SourceColumn[]> {
  const { rows } = await source.query<SourceColumn>(
    `SELECT attname AS name, typcategory = 'A' AS "isArray"
     FROM pg_attribute JOIN pg_type t ON t.oid = atttypid
     WHERE attrelid = format('%I.%I', $1::text, $2::text)::regclass AND attnum > 0 AND NOT attisdropped
       AND attgenerated = ''
     ORDER BY attnum`,
    [schema, table],
  );
  return rows;
}

async function countRows(source: pg.Client, { schema, table }: SourceTable): Promise<number> {
  const { rows } = await source.query<{ count: string }>(
    `SELECT count(*)::text AS count FROM ${pgName(schema)}.${pgName(table)}`,
  );
  return Number(rows[0]?.count ?? 0);
}

async function sourceDigests(
  source: pg.Client,
  { schema, table }: SourceTable,
  columns: readonly CanonicalColumn[],
  keyIndexes: readonly number[],
): Promise<Map<string, string>> {
  const digests = new Map<string, string>();
  await source.query(
    "BEGIN READ ONLY; SET LOCAL timezone = 'UTC'; SET LOCAL extra_float_digits = 1",
  );
  try {
    await source.query(
      `DECLARE rows NO SCROLL CURSOR FOR
       SELECT ${columns.map((column) => column.postgres).join(', ')} FROM ${pgName(schema)}.${pgName(table)}`,
    );
    for (;;) {
      const { rows } = await source.query<(string | null)[]>({
        text: `FETCH ${ROWS_AT_ONCE} FROM rows`,
        rowMode: 'array',
      });
      if (rows.length === 0) return digests;
      for (const row of rows) addDigest(digests, row, columns, keyIndexes);
    }
  } finally {
    await source.query('ROLLBACK');
  }
}

async function warehouseDigests(
  warehouse: ClickHouseClient,
  view: string,
  columns: readonly CanonicalColumn[],
  keyIndexes: readonly number[],
): Promise<Map<string, string>> {
  const digests = new Map<string, string>();
  const result = await warehouse.query({
    query: `SELECT ${columns.map((column) => column.clickhouse).join(', ')} FROM ${view}`,
    format: 'JSONCompactEachRow',
  });
  for await (const rows of result.stream<(string | null)[]>()) {
    for (const row of rows) addDigest(digests, row.json(), columns, keyIndexes);
  }
  return digests;
}

function addDigest(
  digests: Map<string, string>,
  row: readonly (string | null)[],
  columns: readonly CanonicalColumn[],
  keyIndexes: readonly number[],
): void {
  const texts = columns.map(({ normalize }, index) => {
    const text = row[index] ?? null;
    return text === null ? null : normalize(text);
  });
  const key = JSON.stringify(keyIndexes.map((index) => texts[index]));
  digests.set(key, createHash('sha1').update(JSON.stringify(texts)).digest('base64'));
}

function pgName(name: string): string {
  return pg.escapeIdentifier(name);
}
