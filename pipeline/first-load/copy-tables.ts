import type { ClickHouseClient } from '@clickhouse/client';
import pg from 'pg';
import { tableRules } from '../catalog/column-rules.ts';
import type { Source } from '../catalog/catalog.ts';
import type { TableName } from '../catalog/table-pattern.ts';
import type { Epoch } from '../change/version.ts';
import type { ColumnNames } from '../evolution/column-names.ts';
import { copyText, typeOf } from '../resync/copy-text.ts';
import { hashFields } from '../resync/hash-fields.ts';
import { copyPieces, countRows } from '../resync/source-copy.ts';
import { planFromSource } from '../resync/source-plan.ts';
import type { Sink } from '../sink/sink.ts';
import { currentType } from '../sink/table-ddl.ts';
import type { TablePlan } from '../transform/table-plan.ts';
import { maskedText } from '../verify/masked-text.ts';
import { sourceColumns, type SourceColumn } from '../verify/table-shape.ts';
import type { TableProgress } from './load-ledger.ts';
import { LoadStorage } from './load-storage.ts';
import { loadFailed, relationOf, type SourceSnapshot } from './source-snapshot.ts';
import { inShare, sharesOf, type Share } from './table-shares.ts';

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
  readonly signal: AbortSignal;
  /** Told of every piece that is stored; tables in the order in which they were given. */
  readonly onProgress: (tables: readonly TableProgress[]) => void;
}

/** Connections that read, of one source. */
const READERS = 2;
/** Blocks of a table that one connection reads in one go: 256 MB. */
const BLOCKS_PER_SHARE = 32_768;
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
  const { signal } = parts;
  const planner = snapshot.first;
  const progress: TableProgress[] = [];
  const jobs: Job[] = [];
  const storages: LoadStorage[] = [];
  try {
    for (const [index, table] of tables.entries()) {
      signal.throwIfAborted();
      const size = await sizeOf(planner, table);
      const copy = await planCopy(source, table, size, { snapshot, planner, ...parts });
      storages.push(copy.storage);
      const shares = sharesOf(size.isPartitioned ? 0 : size.blocks, BLOCKS_PER_SHARE);
      progress.push({
        schema: table.schema,
        table: table.table,
        rowsExpected: size.rows,
        rowsCopied: 0,
        isDone: false,
      });
      jobs.push(...shares.map((share) => ({ ...copy, index, share })));
    }
  } catch (error) {
    throw loadFailed(source.name, 'planning the copy', error);
  }
  const left = new Map(
    tables.map((_, index) => [index, jobs.filter((job) => job.index === index).length]),
  );
  const advance = (index: number, rows: number, shareIsDone: boolean) => {
    const before = progress[index];
    if (before === undefined) return;
    const open = (left.get(index) ?? 0) - (shareIsDone ? 1 : 0);
    left.set(index, open);
    progress[index] = { ...before, rowsCopied: before.rowsCopied + rows, isDone: open === 0 };
    parts.onProgress(progress);
  };
  parts.onProgress(progress);
  const queue = [...jobs];
  const failed = new AbortController();
  const work = async (reader: pg.Client) => {
    for (let job = queue.shift(); job !== undefined; job = queue.shift()) {
      try {
        for await (const piece of copyPieces(reader, job.select(job.share))) {
          signal.throwIfAborted();
          failed.signal.throwIfAborted();
          await job.storage.insert(job.mask(piece));
          advance(job.index, countRows(piece), false);
        }
      } catch (error) {
        failed.abort(error);
        signal.throwIfAborted();
        const { schema, table } = tables[job.index] ?? { schema: '', table: '' };
        throw loadFailed(source.name, `copying ${schema}.${table}`, error);
      }
      advance(job.index, 0, true);
    }
  };
  const readers = [planner];
  try {
    while (readers.length < Math.min(READERS, jobs.length))
      readers.push(await snapshot.openReader());
  } catch (error) {
    throw loadFailed(source.name, 'opening a second connection', error);
  }
  const outcomes = await Promise.allSettled(readers.map(work));
  const bad = outcomes.find((outcome) => outcome.status === 'rejected');
  if (bad !== undefined) throw bad.reason;
  for (const storage of storages) await storage.close();
  return progress;
}

interface Job {
  /** Place of the table among those that were given. */
  readonly index: number;
  readonly share: Share;
  readonly select: (share: Share) => string;
  /** Hashes what is to be hashed in a piece of tab-separated values. */
  readonly mask: (piece: Buffer) => Buffer;
  readonly storage: LoadStorage;
}

async function planCopy(
  source: Source,
  { schema, table, epoch }: LoadTable,
  { isPartitioned }: TableSize,
  parts: CopyParts & { readonly snapshot: SourceSnapshot; readonly planner: pg.Client },
): Promise<Pick<Job, 'storage' | 'select' | 'mask'>> {
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
  const only = isPartitioned ? '' : 'ONLY ';
  const isHashed = copied.map((column) => column.isHashed);
  return {
    storage,
    select: (share) =>
      `SELECT ${copied.map(({ text }) => text).join(', ')} FROM ${only}${relationOf({ schema, table })} WHERE ${inShare(share)}`,
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

/** What is known of a table's size before it is read. */
interface TableSize {
  readonly rows: number;
  readonly blocks: number;
  /** Whether its rows are in partitions, which the capture role need not be able to read alone. */
  readonly isPartitioned: boolean;
}

const SIZE = `
  SELECT t.relkind = 'p' AS "isPartitioned",
         (pg_relation_size(t.oid) / current_setting('block_size')::int)::float8 AS blocks,
         CASE WHEN t.relkind = 'p'
              THEN (SELECT coalesce(sum(greatest(c.reltuples, 0)), 0) FROM pg_partition_tree(t.oid) p
                    JOIN pg_class c ON c.oid = p.relid WHERE p.isleaf)
              ELSE greatest(t.reltuples, 0) END::float8 AS rows
  FROM pg_class t WHERE t.oid = to_regclass($1)`;

async function sizeOf(planner: pg.Client, table: TableName): Promise<TableSize> {
  const { rows } = await planner.query<TableSize>(SIZE, [relationOf(table)]);
  return rows[0] ?? { rows: 0, blocks: 0, isPartitioned: true };
}
