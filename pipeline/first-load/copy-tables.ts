import type { ClickHouseClient } from '@clickhouse/client';
import pg from 'pg';
import { tableRules } from '../catalog/column-rules.ts';
import type { Source } from '../catalog/catalog.ts';
import type { TableName } from '../catalog/table-pattern.ts';
import type { Epoch } from '../change/version.ts';
import type { ColumnNames } from '../evolution/column-names.ts';
import { copyText, typeOf } from '../resync/copy-text.ts';
import { hashFields } from '../resync/hash-fields.ts';
import { createPace } from '../resync/copy-pace.ts';
import { copyShares, type CopyShare } from '../resync/copy-shares.ts';
import { planFromSource } from '../resync/source-plan.ts';
import { planReads } from '../resync/table-reads.ts';
import type { Sink } from '../sink/sink.ts';
import { currentType } from '../sink/table-ddl.ts';
import type { TablePlan } from '../transform/table-plan.ts';
import { maskedText } from '../verify/masked-text.ts';
import { sourceColumns, type SourceColumn } from '../verify/table-shape.ts';
import type { TableProgress } from './load-ledger.ts';
import { LoadStorage } from './load-storage.ts';
import { loadFailed, relationOf, type SourceSnapshot } from './source-snapshot.ts';

/** A table to copy, and the epoch its rows get. */
export interface LoadTable extends TableName {
  readonly epoch: Epoch;
}

/** What copying works with. */
export interface CopyParts {
  readonly warehouse: ClickHouseClient;
  readonly sink: Pick<Sink, 'prepare'>;
  readonly columnNames: ColumnNames;
  /** Name of the source's publication. */
  readonly publication: string;
  /** Asked between two reads. */
  readonly isPaused: () => boolean;
  readonly signal: AbortSignal;
  /** Told of every piece that is stored; tables in the order in which they were given. */
  readonly onProgress: (tables: readonly TableProgress[]) => void;
}

/** What tells the schema history that the source's catalog was read instead of a schema. */
const NO_SCHEMA_ID = 0;

/**
 * Copies tables as a snapshot sees them, several side by side, and large ones in shares. Their
 * storage is made as their first record would make it.
 *
 * @returns rows by table, in the order in which they were given
 * @throws TributaryError `FIRST_LOAD_FAILED`, `MASK_REFUSED`, `SOURCE_UNAVAILABLE`,
 * `SINK_UNAVAILABLE`, `SINK_REFUSED`, `VALUE_REJECTED` for a value that its type in ClickHouse
 * cannot hold; the abort reason
 */
export async function copyTables(
  source: Source,
  snapshot: SourceSnapshot,
  tables: readonly LoadTable[],
  parts: CopyParts,
): Promise<TableProgress[]> {
  const { isPaused, signal } = parts;
  const planner = snapshot.first;
  const progress: TableProgress[] = [];
  const shares: (CopyShare & { readonly index: number })[] = [];
  const storages: LoadStorage[] = [];
  try {
    for (const [index, table] of tables.entries()) {
      signal.throwIfAborted();
      const { storage, relation, texts, mask } = await planCopy(source, table, {
        snapshot,
        planner,
        ...parts,
      });
      storages.push(storage);
      const { rowsExpected, selects } = await planReads(planner, relation, texts);
      const { schema, table: name } = table;
      progress.push({ schema, table: name, rowsExpected, rowsCopied: 0, isDone: false });
      const store = (piece: Buffer) => storage.insert(mask(piece));
      shares.push(...selects.map((select) => ({ select, store, index })));
    }
  } catch (error) {
    throw loadFailed(source.name, 'planning the copy', error);
  }
  const left = tables.map((_, place) => shares.filter(({ index }) => index === place).length);
  parts.onProgress(progress);
  await copyShares(snapshot, shares, {
    pace: createPace(source.copyRowsPerSecond, isPaused),
    signal,
    onStored: ({ index }, rows, isDone) => {
      const before = progress[index];
      if (before === undefined) return;
      const open = (left[index] ?? 0) - (isDone ? 1 : 0);
      left[index] = open;
      progress[index] = { ...before, rowsCopied: before.rowsCopied + rows, isDone: open === 0 };
      parts.onProgress(progress);
    },
    explain: ({ index }, error) => {
      const { schema, table } = tables[index] ?? { schema: '', table: '' };
      return loadFailed(source.name, `copying ${schema}.${table}`, error);
    },
  });
  for (const storage of storages) await storage.close();
  return progress;
}

/** Where a table's rows come from and go to. */
interface TableCopy {
  readonly storage: LoadStorage;
  /** Quoted name at the source. */
  readonly relation: string;
  /** What Postgres has to print of each column. */
  readonly texts: readonly string[];
  /** Hashes what is to be hashed in a piece of tab-separated values. */
  readonly mask: (piece: Buffer) => Buffer;
}

async function planCopy(
  source: Source,
  { schema, table, epoch }: LoadTable,
  parts: CopyParts & { readonly snapshot: SourceSnapshot; readonly planner: pg.Client },
): Promise<TableCopy> {
  const { warehouse, sink, columnNames, publication, snapshot, planner } = parts;
  const name = { source: source.name, schema, table };
  const rules = tableRules(source, { schema, table });
  const columns = await streamedColumns(planner, name, publication);
  const published = await columnNames.of(
    name,
    columns.map((column) => column.name),
    NO_SCHEMA_ID,
  );
  const plan = planFromSource({ ...name, columns, rules, published });
  await sink.prepare(plan);
  const storage = new LoadStorage(warehouse, plan);
  await storage.open(epoch, snapshot.readAt);
  const copied = copiedColumns(plan, columns, (column) => rules.maskOf(column));
  const isHashed = copied.map((column) => column.isHashed);
  return {
    storage,
    relation: relationOf({ schema, table }),
    texts: copied.map(({ text }) => text),
    mask: isHashed.includes(true)
      ? (piece) => hashFields(piece, isHashed, rules.hash)
      : (piece) => piece,
  };
}

/** What Postgres has to print of each of a plan's columns. */
function copiedColumns(
  plan: TablePlan,
  columns: readonly SourceColumn[],
  maskOf: (column: string) => ReturnType<ReturnType<typeof tableRules>['maskOf']>,
): { readonly text: string; readonly isHashed: boolean }[] {
  const byName = new Map(columns.map((column) => [column.name, column]));
  return plan.columns.map((planned) => {
    const column = byName.get(planned.sourceName);
    if (column === undefined) throw new Error('a planned column is not one of the source');
    const mask = maskOf(planned.sourceName) ?? maskOf(planned.name);
    const value = pg.escapeIdentifier(column.name);
    return {
      text:
        mask === 'hash' || mask === 'redact'
          ? maskedText(mask, column)
          : copyText(currentType(planned), typeOf(column, planned.keptAsText), value),
      isHashed: mask === 'hash',
    };
  });
}

// Not every version of Postgres publishes generated columns; those that do, where they are told to.
const NOT_STREAMED = `
  SELECT attname AS name FROM pg_attribute
  WHERE attrelid = to_regclass($1) AND attnum > 0 AND attgenerated <> '' AND NOT (attgenerated = 's'
    AND (SELECT to_jsonb(p) ->> 'pubgencols' FROM pg_publication p WHERE pubname = $2) IS NOT DISTINCT FROM 's')`;

/** The columns that the slot streams. */
async function streamedColumns(
  planner: pg.Client,
  table: { readonly source: string; readonly schema: string; readonly table: string },
  publication: string,
): Promise<SourceColumn[]> {
  const columns = await sourceColumns(planner, table);
  const { rows } = await planner.query<{ name: string }>(NOT_STREAMED, [
    relationOf(table),
    publication,
  ]);
  const left = new Set(rows.map(({ name }) => name));
  return columns.filter(({ name }) => !left.has(name));
}
