import type { ClickHouseClient } from '@clickhouse/client';
import pg from 'pg';
import { sinkError } from '../sink/clickhouse-error.ts';
import { quoteName, quoteText } from '../sink/identifier.ts';
import { knownColumns } from '../evolution/column-memory.ts';
import { isKeyless } from '../sink/keyless-ddl.ts';
import { storedColumns } from '../sink/stored-columns.ts';
import { CHANGES } from '../sink/table-ddl.ts';
import { NO_COLUMN_RULES, tableRules, type TableRules } from '../catalog/column-rules.ts';
import { relationName, storageName, storedNames } from '../transform/table-plan.ts';
import { maskedText } from './masked-text.ts';
import { canonicalText, withoutWrappers, type SourceType } from './canonical-text.ts';

/** A table at its source. */
export interface SourceTable {
  readonly source: string;
  readonly schema: string;
  readonly table: string;
}

/** A column that both sides print alike. */
export interface ComparedColumn {
  readonly name: string;
  /** Name in the view. */
  readonly published: string;
  /** SQL of Postgres that gives its canonical text. */
  readonly postgres: string;
  /** SQL of ClickHouse that gives its canonical text. */
  readonly clickhouse: string;
  /**
   * Makes of the source's text what the warehouse has, of a column that is masked by `hash`. The
   * source is not asked to: its logs would have the key.
   */
  readonly hash?: (text: string) => string;
}

/** Columns that the source can make checksums of: a hash is known to nobody but the one who compares. */
export function plainColumns({ columns }: TableShape): readonly ComparedColumn[] {
  return columns.filter(({ hash }) => hash === undefined);
}

/** What the catalog says of a table's columns, as far as comparing depends on it. */
export type ShapeRules = Pick<TableRules, 'maskOf' | 'isText' | 'hash'>;

/** A column of the primary key. */
export interface KeyColumn extends ComparedColumn {
  /** Name of its type, to cast a parameter to. */
  readonly castTo: string;
  /** What ClickHouse compares, given the column, in {@link TableShape.order} `shared`. */
  readonly ordered: string;
  /** Makes the canonical text of a value comparable with `ordered`. */
  readonly orderedLiteral: (text: string) => string;
  /** What ClickHouse looks a key up by. */
  readonly looked: string;
  /** Makes the canonical text of a value comparable with `looked`. */
  readonly lookedLiteral: (text: string) => string;
}

/** What is compared of a table, and how. */
export interface TableShape {
  readonly table: SourceTable;
  /** What to read from at the source: its quoted name, without the rows of tables that inherit from it. */
  readonly relation: string;
  /** Quoted name of the view. */
  readonly view: string;
  /** Those that are hashed last. */
  readonly columns: readonly ComparedColumn[];
  /** Empty when rows cannot be looked up by a key that both sides have. */
  readonly key: readonly KeyColumn[];
  /** Where it is written how often a row was there, when no key leads to it. */
  readonly copies?: CopiesLog;
  /**
   * `shared`: both sides sort the key alike, so a range of keys means the same rows to both.
   * `own`: they do not, e.g. a text under a language's collation.
   */
  readonly order: 'shared' | 'own';
  /** Whether ClickHouse has to look at every row to find a range of keys. */
  readonly scansView: boolean;
  /** Columns whose texts the two sides do not have in common, with their types. */
  readonly notCompared: readonly string[];
}

/** The change log of a table without a key, or whose key is hashed. */
export interface CopiesLog {
  /** Quoted name. */
  readonly log: string;
  /** Names in it by names in the view. */
  readonly stored: ReadonlyMap<string, string>;
  /** Columns of the key that is hashed, in the view; empty without a key. */
  readonly hashedKey: readonly string[];
}

/** Why a table cannot be compared, and what it is known to hold. */
export interface Incomparable {
  readonly problem: string;
  /** Whether the warehouse has the table. */
  readonly inWarehouse: boolean;
  /** Columns of the key, where that is why: the two sides are not meant to share it. */
  readonly maskedKey?: readonly string[];
}

interface ViewColumn {
  readonly name: string;
  readonly type: string;
}

/** A column at its source. */
export interface SourceColumn {
  readonly name: string;
  readonly type: string;
  readonly element: string | null;
  readonly castTo: string;
  readonly generated: boolean;
  readonly notNull: boolean;
  /** Whether it, or its element, is an enum. */
  readonly isEnum: boolean;
  /** What is in the brackets of its declaration, as Postgres packs it; -1: nothing. */
  readonly modifier: number;
  /** Place in the primary key, or in the index that is the replica identity, from 1; null outside it. */
  readonly keyPlace: number | null;
  /** Whether its texts sort byte by byte. */
  readonly bytewise: boolean;
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

/**
 * Finds out what can be compared of a table.
 *
 * @throws TributaryError `SINK_UNAVAILABLE`, `SINK_REFUSED`
 */
export async function readShape(
  table: SourceTable,
  source: pg.Client,
  warehouse: ClickHouseClient,
  { maskOf, isText, hash }: ShapeRules = tableRules(NO_COLUMN_RULES, table),
): Promise<TableShape | Incomparable> {
  const view = relationName(table.schema, table.table);
  const types = new Map(
    (await viewColumns(warehouse, table.source, view)).map(({ name, type }) => [name, type]),
  );
  const known = await knownColumns(warehouse, table);
  const published = new Map(known.map((column) => [column.name, column.published]));
  const all = await sourceColumns(source, table);
  const maskOfColumn = (name: string) => maskOf(name) ?? maskOf(published.get(name) ?? name);
  const named = all.map((column) => ({
    ...column,
    published: published.get(column.name) ?? column.name,
  }));
  const columns = named
    .filter(({ name }) => maskOfColumn(name) === undefined)
    // Not every version of Postgres publishes generated columns.
    .filter(({ published, generated }) => !generated || types.has(published));
  const problem = (text: string): Incomparable => ({ problem: text, inWarehouse: types.size > 0 });
  if (types.size === 0) return problem('the warehouse has no such table');
  const lacking = columns.filter(({ published }) => !types.has(published)).map(({ name }) => name);
  const masked = named.filter(({ name }) => maskOfColumn(name) !== undefined);
  if (lacking.length > 0) return problem(`the warehouse lacks columns: ${lacking.join(', ')}`);
  const keyColumns = named
    .filter(({ keyPlace }) => keyPlace !== null)
    .sort((a, b) => (a.keyPlace ?? 0) - (b.keyPlace ?? 0));
  const maskedKey = keyColumns.filter(({ name }) => maskOfColumn(name) !== undefined);
  // Preflight refuses such masks.
  if (maskedKey.some(({ name }) => maskOfColumn(name) !== 'hash')) {
    return { ...problem('its key is masked'), maskedKey: maskedKey.map(({ name }) => name) };
  }
  const isLookedUp = keyColumns.length > 0 && maskedKey.length === 0;
  const copies = isLookedUp ? undefined : await copiesLog(warehouse, table, named, keyColumns);
  if (!isLookedUp && copies === undefined) {
    return problem(
      keyColumns.length === 0
        ? 'the table has no primary key, and the warehouse tells its rows apart by one'
        : 'the table has a primary key, and the warehouse does not tell its rows apart',
    );
  }
  const compared: ComparedColumn[] = [];
  const notCompared: string[] = [];
  for (const column of columns) {
    const texts = comparedColumn(column, types.get(column.published) ?? '', isText(column.name));
    if (texts === undefined) notCompared.push(`${column.name} (${column.castTo})`);
    else compared.push(texts);
  }
  for (const column of masked) {
    const name = column.published;
    const mask = maskOfColumn(column.name);
    // Dropped, or not there since its line was made.
    if (mask === undefined || mask === 'drop' || types.get(name) === undefined) {
      notCompared.push(`${column.name} (masked)`);
      continue;
    }
    const texts = { postgres: maskedText(mask, column), clickhouse: quoteName(name) };
    const isHashed = mask === 'hash';
    compared.push({ name: column.name, published: name, ...texts, ...(isHashed ? { hash } : {}) });
  }
  if (copies !== undefined && compared.length === 0) {
    return { ...problem('all it has is masked'), maskedKey: masked.map(({ name }) => name) };
  }
  compared.sort((a, b) => Number(a.hash !== undefined) - Number(b.hash !== undefined));
  const key: KeyColumn[] = [];
  for (const column of isLookedUp ? keyColumns : []) {
    const texts = compared.find(({ name }) => name === column.name);
    const type = withoutWrappers(types.get(column.published) ?? '');
    if (texts === undefined || type.startsWith('Float') || type.startsWith('Array')) {
      return problem(`rows cannot be told apart by a key of type ${column.castTo}`);
    }
    key.push(keyColumn(column, texts, type));
  }
  const shared = keyColumns.every((column) =>
    sortsAlike(column, withoutWrappers(types.get(column.published) ?? '')),
  );
  return {
    table,
    relation: await ownRows(source, table),
    view: `${quoteName(table.source)}.${quoteName(view)}`,
    columns: compared,
    key,
    ...(copies === undefined ? {} : { copies }),
    order: shared ? 'shared' : 'own',
    scansView: types.get(keyColumns[0]?.published ?? '') === 'UUID',
    notCompared,
  };
}

/** @returns undefined when one side has the table with a key and the other without */
async function copiesLog(
  warehouse: ClickHouseClient,
  { source, schema, table }: SourceTable,
  columns: readonly PublishedColumn[],
  key: readonly PublishedColumn[],
): Promise<CopiesLog | undefined> {
  const storage = storageName({ source, relation: relationName(schema, table) });
  if (isKeyless(await storedColumns(warehouse, storage)) !== (key.length === 0)) return undefined;
  return {
    log: `${CHANGES}.${quoteName(storage)}`,
    stored: storedNames(columns.map(({ published }) => published)),
    hashedKey: key.map(({ published }) => published),
  };
}

/** A column at its source with its name in the view. */
type PublishedColumn = SourceColumn & { readonly published: string };

function comparedColumn(
  column: PublishedColumn,
  viewType: string,
  keptAsText: boolean,
): ComparedColumn | undefined {
  const type: SourceType = {
    name: column.type,
    ...(column.element === null ? {} : { element: column.element, keptAsText }),
  };
  const text = canonicalText(viewType, type);
  return text === undefined
    ? undefined
    : {
        name: column.name,
        published: column.published,
        postgres: text.postgres(pg.escapeIdentifier(column.name)),
        clickhouse: text.clickhouse(quoteName(column.published)),
      };
}

function keyColumn(column: PublishedColumn, texts: ComparedColumn, viewType: string): KeyColumn {
  const name = quoteName(column.published);
  const literal = (text: string) =>
    viewType === 'String' ? quoteText(text) : `CAST(${quoteText(text)} AS ${viewType})`;
  const byValue = HAS_EXACT_LITERAL.test(viewType);
  return {
    ...texts,
    castTo: column.castTo,
    // ClickHouse sorts a UUID by its second half first, Postgres by its bytes.
    ordered: viewType === 'UUID' ? `UUIDToNum(${name})` : name,
    orderedLiteral: (text) =>
      viewType === 'UUID' ? `UUIDToNum(toUUID(${quoteText(text)}))` : literal(text),
    looked: byValue ? name : texts.clickhouse,
    lookedLiteral: byValue ? literal : quoteText,
  };
}

/** Types that ClickHouse reads from their canonical text. */
export const HAS_EXACT_LITERAL = /^(?:Int\d+|UUID|Date32|DateTime64|Decimal|Bool)/;

/** Whether both sides sort values of a key column alike. */
function sortsAlike({ type, bytewise }: SourceColumn, viewType: string): boolean {
  if (HAS_EXACT_LITERAL.test(viewType)) return true;
  // Kept as text: as such they sort byte by byte, and Postgres has to do the same. Hexadecimal
  // keeps the order of bytes.
  if (viewType !== 'String') return false;
  return type === 'bytea' || ((type === 'text' || type === 'varchar') && bytewise);
}

async function viewColumns(
  warehouse: ClickHouseClient,
  database: string,
  table: string,
): Promise<ViewColumn[]> {
  try {
    const result = await warehouse.query({
      query: `SELECT name, type FROM system.columns
              WHERE database = {database:String} AND table = {table:String} ORDER BY position`,
      query_params: { database, table },
      format: 'JSONEachRow',
    });
    return await result.json<ViewColumn>();
  } catch (error) {
    throw sinkError(error, `reading the columns of ${database}.${table}`);
  }
}

/** The rows of a table itself: of a partitioned one those of its partitions, which have no others. */
export async function ownRows(
  source: pg.Client,
  { schema, table }: Pick<SourceTable, 'schema' | 'table'>,
): Promise<string> {
  const name = `${pg.escapeIdentifier(schema)}.${pg.escapeIdentifier(table)}`;
  const { rows } = await source.query<{ partitioned: boolean }>(
    `SELECT relkind = 'p' AS partitioned FROM pg_class WHERE oid = $1::regclass`,
    [name],
  );
  return rows[0]?.partitioned === true ? name : `ONLY ${name}`;
}

/** Columns of a table at its source, in its order. */
export async function sourceColumns(
  source: pg.Client,
  { schema, table }: SourceTable,
): Promise<SourceColumn[]> {
  // Settings of a database that older versions lack are read by way of JSON.
  const { rows } = await source.query<SourceColumn>(
    `WITH RECURSIVE base AS (
       SELECT oid AS of, oid, typbasetype, typname, typelem, typcategory, typtype, typtypmod FROM pg_type
       UNION ALL
       SELECT base.of, t.oid, t.typbasetype, t.typname, t.typelem, t.typcategory, t.typtype,
              CASE WHEN t.typtypmod = -1 THEN base.typtypmod ELSE t.typtypmod END
       FROM base JOIN pg_type t ON t.oid = base.typbasetype AND base.typbasetype <> 0)
     SELECT a.attname AS name, t.typname AS type, e.typname AS element,
            format_type(t.oid, -1) AS "castTo", a.attgenerated <> '' AS generated,
            a.attnotnull AS "notNull", coalesce(e.typtype, t.typtype) = 'e' AS "isEnum",
            CASE WHEN a.atttypmod = -1 THEN t.typtypmod ELSE a.atttypmod END AS modifier,
            array_position(i.indkey::int2[], a.attnum) + 1 AS "keyPlace",
            current_setting('server_encoding') = 'UTF8' AND CASE c.collprovider
              WHEN 'd' THEN coalesce(to_jsonb(d) ->> 'datlocprovider', 'c') = 'b'
                OR (coalesce(to_jsonb(d) ->> 'datlocprovider', 'c') = 'c' AND d.datcollate IN ('C', 'POSIX'))
              WHEN 'b' THEN true
              WHEN 'c' THEN c.collcollate IN ('C', 'POSIX')
              ELSE false END AS bytewise
     FROM pg_attribute a
     JOIN base t ON t.of = a.atttypid AND t.typbasetype = 0
     LEFT JOIN pg_type e ON t.typcategory = 'A' AND e.oid = t.typelem
     JOIN pg_class r ON r.oid = a.attrelid
     LEFT JOIN pg_index i ON i.indrelid = a.attrelid
       AND CASE r.relreplident WHEN 'i' THEN i.indisreplident ELSE i.indisprimary END
     LEFT JOIN pg_collation c ON c.oid = a.attcollation
     JOIN pg_database d ON d.datname = current_database()
     WHERE a.attrelid = format('%I.%I', $1::text, $2::text)::regclass
       AND a.attnum > 0 AND NOT a.attisdropped
     ORDER BY a.attnum`,
    [schema, table],
  );
  return rows;
}
