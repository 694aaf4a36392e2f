import type { ClickHouseClient } from '@clickhouse/client';
import { TributaryError } from '#runtime/errors.ts';
import type { CapturedTable, DriftRule } from '../catalog/drift-rule.ts';
import { sinkError } from '../sink/clickhouse-error.ts';
import { quoteName, quoteText } from '../sink/identifier.ts';
import { CHANGES, CURRENT } from '../sink/table-ddl.ts';
import { relationName, storedNames } from '../transform/table-plan.ts';
import { canonicalText, withoutWrappers } from '../verify/canonical-text.ts';

/** A column of one side of a rule, as the warehouse stores it. */
export interface StoredColumn {
  /** Published name, which rules use. */
  readonly name: string;
  /** Quoted name in the storage tables. */
  readonly stored: string;
  /** ClickHouse type without `Nullable` and `LowCardinality`. */
  readonly type: string;
}

/** One side of a rule in the warehouse. */
export interface WarehouseSide {
  readonly table: CapturedTable;
  /** Quoted name of the table that holds the newest version of each row. */
  readonly current: string;
  /** Quoted name of the change log. */
  readonly changes: string;
  /** Columns of the primary key, in their order. */
  readonly key: readonly StoredColumn[];
  readonly columns: ReadonlyMap<string, StoredColumn>;
}

/** Both sides of a rule in the warehouse. */
export interface WarehouseSides {
  readonly owner: WarehouseSide;
  readonly copy: WarehouseSide;
}

/**
 * Looks up both sides of a rule.
 *
 * @throws TributaryError `DRIFT_RULE_BROKEN` when a table or column is not there, `SINK_UNAVAILABLE`,
 * `SINK_REFUSED`
 */
export async function readSides(
  client: ClickHouseClient,
  rule: DriftRule,
): Promise<WarehouseSides> {
  const [owner, copy] = await Promise.all([
    readSide(client, rule, rule.owner),
    readSide(client, rule, rule.copy),
  ]);
  const wanted = [
    ...[...rule.reference, ...rule.fields].flatMap((pair) => [
      { side: owner, name: pair.owner },
      { side: copy, name: pair.copy },
    ]),
    ...[...rule.where.keys()].map((name) => ({ side: copy, name })),
  ];
  for (const { side, name } of wanted) {
    if (!side.columns.has(name)) {
      throw broken(rule, `the warehouse has no column ${name} in ${tableText(side.table)}`);
    }
  }
  for (const { table, key } of [owner, copy]) {
    if (key.length === 0) {
      throw broken(rule, `${tableText(table)} has no primary key to tell its rows apart by`);
    }
  }
  const own = owner.key.map(({ name }) => name);
  const referred = rule.reference.map(({ owner: name }) => name);
  if (own.length !== referred.length || !own.every((name) => referred.includes(name))) {
    throw broken(
      rule,
      `the reference leads to (${referred.join(', ')}), but the key of ${tableText(rule.owner)} is (${own.join(', ')})`,
    );
  }
  if (rule.complete) {
    const referring = rule.reference.map(({ copy: name }) => name);
    const key = copy.key.map(({ name }) => name);
    if (key.length !== referring.length || !key.every((name) => referring.includes(name))) {
      throw broken(
        rule,
        `\`complete\` needs the reference to be the primary key of the copy, which is (${key.join(', ')})`,
      );
    }
  }
  return { owner, copy };
}

/** A column that is known to be there. */
export function columnOf(side: WarehouseSide, name: string): StoredColumn {
  const column = side.columns.get(name);
  if (column === undefined) throw new Error(`${side.current} has no column ${name}`);
  return column;
}

/** SQL of the text of a column that the source prints as well, so that it can be looked up there. */
export function textOf({ stored, type }: StoredColumn): string {
  const text = canonicalText(type, { name: '' });
  return text === undefined ? `toString(${stored})` : text.clickhouse(stored);
}

/** SQL of the array of a key's texts. */
export function keyTexts(key: readonly StoredColumn[]): string {
  return `[${key.map((column) => `assumeNotNull(${textOf(column)})`).join(', ')}]`;
}

/** A table for messages. */
export function tableText({ source, schema, table }: CapturedTable): string {
  return `${source}.${schema === 'public' ? '' : `${schema}.`}${table}`;
}

/** Keeps a look within bounds, whatever the tables hold. */
const BOUNDS = {
  max_memory_usage: '900000000',
  max_bytes_before_external_group_by: '300000000',
  join_algorithm: 'hash',
} as const;

/** Room for a statement beside what is looked up, in bytes. */
const STATEMENT_BYTES = 1_048_576;

/**
 * Asks the warehouse.
 *
 * @throws TributaryError `SINK_UNAVAILABLE`, `SINK_REFUSED`
 */
export async function lookAt<T>(client: ClickHouseClient, query: string): Promise<T[]> {
  try {
    const result = await client.query({
      query,
      format: 'JSONEachRow',
      clickhouse_settings: {
        ...BOUNDS,
        max_query_size: String(query.length * 4 + STATEMENT_BYTES),
      },
    });
    return await result.json<T>();
  } catch (error) {
    throw sinkError(error, 'looking for drift');
  }
}

async function readSide(
  client: ClickHouseClient,
  rule: DriftRule,
  table: CapturedTable,
): Promise<WarehouseSide> {
  const side = await findSide(client, table);
  if (side !== undefined) return side;
  throw broken(rule, `the warehouse has no table ${tableText(table)} yet`);
}

/** All tables of sources that the warehouse holds. */
export async function listSides(
  client: ClickHouseClient,
  sources: readonly string[],
): Promise<WarehouseSide[]> {
  const tables = await lookAt<CapturedTable>(
    client,
    `SELECT source, table_schema AS schema, table_name AS table FROM ops.source_tables FINAL
     WHERE is_gone = 0 AND source IN (${sources.map(quoteText).join(', ')})
     ORDER BY source, schema, table`,
  );
  const sides: WarehouseSide[] = [];
  for (const table of tables) {
    const side = await findSide(client, table);
    if (side !== undefined) sides.push(side);
  }
  return sides;
}

/**
 * How the warehouse stores a table; undefined when it has not come yet.
 *
 * @throws TributaryError `SINK_UNAVAILABLE`, `SINK_REFUSED`
 */
export async function findSide(
  client: ClickHouseClient,
  table: CapturedTable,
): Promise<WarehouseSide | undefined> {
  const relation = relationName(table.schema, table.table);
  const storage = `${table.source}__${relation}`;
  const views = await columnsOf(client, table.source, relation);
  const stored = await columnsOf(client, CURRENT, storage);
  if (views.length === 0 || stored.length === 0) return undefined;
  const byName = new Map(stored.map((column) => [column.name, column]));
  const columns = new Map<string, StoredColumn>();
  for (const [name, storedName] of storedNames(views.map((view) => view.name))) {
    const column = byName.get(storedName);
    // A column that answers to a second name is there under its first.
    if (column === undefined) continue;
    columns.set(name, {
      name,
      stored: quoteName(column.name),
      type: withoutWrappers(column.type),
    });
  }
  const keyNames = stored.filter(({ isKey }) => isKey === 1).map(({ name }) => quoteName(name));
  return {
    table,
    current: `${CURRENT}.${quoteName(storage)}`,
    changes: `${CHANGES}.${quoteName(storage)}`,
    key: keyNames.flatMap((name) =>
      [...columns.values()].filter((column) => column.stored === name),
    ),
    columns,
  };
}

async function columnsOf(
  client: ClickHouseClient,
  database: string,
  table: string,
): Promise<{ name: string; type: string; isKey: number }[]> {
  try {
    const result = await client.query({
      query: `SELECT name, type, is_in_sorting_key AS "isKey" FROM system.columns
              WHERE database = {database:String} AND table = {table:String} ORDER BY position`,
      query_params: { database, table },
      format: 'JSONEachRow',
    });
    return await result.json();
  } catch (error) {
    throw sinkError(error, `reading the columns of ${database}.${table}`);
  }
}

function broken(rule: DriftRule, why: string): TributaryError {
  return new TributaryError('DRIFT_RULE_BROKEN', `rule ${rule.name}: ${why}`);
}
