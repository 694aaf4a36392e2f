import type { ClickHouseClient } from '@clickhouse/client';
import type pg from 'pg';
import { messageCode, TributaryError } from '#runtime/errors.ts';
import { compareCopies } from './compare-copies.ts';
import type { RowDifference } from './row-difference.ts';
import { settleRows, type CatchUp } from './settle-rows.ts';
import { prepareSession, SourceRows } from './source-rows.ts';
import { keyId } from './key-range.ts';
import { suspectsByCells } from './suspects-by-cells.ts';
import { MAX_SUSPECTS, type Suspects } from './suspects.ts';
import { suspectsByHash } from './suspects-by-hash.ts';
import { suspectsByRange } from './suspects-by-range.ts';
import {
  ownRows,
  readShape,
  type ShapeRules,
  type SourceTable,
  type TableShape,
} from './table-shape.ts';
import { WarehouseRows } from './warehouse-rows.ts';

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
  /** The differing rows. */
  readonly differences: readonly RowDifference[];
  /** Whether more rows differ than were looked at one by one. */
  readonly cut: boolean;
  /** Rows that were written too often to be compared. */
  readonly undecided: number;
  /** Columns that cannot be compared, with their types. */
  readonly notCompared: readonly string[];
  /** Set when nothing is said of the table, and nothing can be, e.g. because its key is masked. */
  readonly notComparable?: string;
  /** Set when the two could not be compared, e.g. because the warehouse has no such table yet. */
  readonly problem?: string;
}

/** Whether both sides hold the same rows, as far as they can be compared. */
export function agrees(comparison: TableComparison): boolean {
  const { missing, surplus, different, problem, cut } = comparison;
  return problem === undefined && !cut && missing + surplus + different === 0;
}

/** How to compare. */
export interface VerifyOptions {
  readonly rules?: ShapeRules;
  /** Lets writes go on meanwhile; without it the warehouse is taken as it is. */
  readonly catchUp?: CatchUp;
  /** Whether differences carry the values of both sides. */
  readonly showValues?: boolean;
  readonly signal: AbortSignal;
}

/**
 * Compares a service's table with the warehouse's view of it, every column of every row, while
 * both are in use.
 *
 * @param source - connected as a role that may read the table; its session settings are changed
 * @throws TributaryError `SOURCE_UNAVAILABLE`, `SOURCE_REFUSED`, `SINK_UNAVAILABLE`, `SINK_REFUSED`
 */
export async function verifyTable(
  table: SourceTable,
  source: pg.Client,
  warehouse: ClickHouseClient,
  options: VerifyOptions,
): Promise<TableComparison> {
  await prepareSession(source);
  let shape = await readShape(table, source, warehouse, options.rules);
  if ('problem' in shape) {
    const sourceRows = await countRows(source, table);
    const nothing = nothingCompared(table, sourceRows);
    if (shape.maskedKey !== undefined) {
      return { ...nothing, notComparable: `its key is masked (${shape.maskedKey.join(', ')})` };
    }
    // The warehouse makes a table with its first row: none of it is what an empty table looks like.
    if (sourceRows === 0 && !shape.inWarehouse) return nothing;
    // A table or column that is new may be on its way.
    const { problem, inWarehouse } = shape;
    if (options.catchUp !== undefined && (await inTime(options.catchUp))) {
      shape = await readShape(table, source, warehouse, options.rules);
    }
    if ('problem' in shape) return { ...nothing, missing: inWarehouse ? 0 : sourceRows, problem };
  }
  const parts = {
    shape,
    source: new SourceRows(source, shape),
    warehouse: new WarehouseRows(warehouse, shape),
    catchUp: options.catchUp,
    showValues: options.showValues ?? false,
  };
  const found = { ...table, notCompared: shape.notCompared };
  if (shape.copies !== undefined) {
    try {
      const copies = await compareCopies(parts, options.signal);
      return { ...nothingCompared(table, 0), ...found, ...copies };
    } catch (error) {
      if (!isTooLate(error)) throw error;
      const sourceRows = await countRows(source, table);
      return { ...nothingCompared(table, sourceRows), ...found, problem: error.message };
    }
  }
  let suspects = await findSuspects(parts, options.signal);
  try {
    if (suspects.cut && options.catchUp !== undefined) {
      // Too many to be looked at one by one: the warehouse may just be far behind.
      await options.catchUp();
      suspects = await findSuspects(parts, options.signal);
    }
    const { differences, undecided } = await settleRows(suspects.keys, parts);
    const count = (kind: RowDifference['kind']) =>
      differences.filter((difference) => difference.kind === kind).length;
    const { sourceRows, cut } = suspects;
    const [missing, surplus] = [count('missing'), count('surplus')];
    return {
      ...found,
      sourceRows,
      // What was counted at first may have changed since; what differs is known now.
      warehouseRows: cut ? suspects.warehouseRows : sourceRows - missing + surplus,
      missing,
      surplus,
      different: count('different'),
      differences,
      cut,
      undecided,
    };
  } catch (error) {
    if (!isTooLate(error)) throw error;
    return {
      ...nothingCompared(table, suspects.sourceRows),
      ...found,
      warehouseRows: suspects.warehouseRows,
      undecided: suspects.keys.length,
      problem: error.message,
    };
  }
}

const MAX_COUNTED = 10_000;

function isTooLate(error: unknown): error is TributaryError {
  return error instanceof TributaryError && messageCode(error) === 'DEADLINE_EXCEEDED';
}

/** Catches up. @returns false when that takes too long */
async function inTime(catchUp: CatchUp): Promise<boolean> {
  try {
    await catchUp();
    return true;
  } catch (error) {
    if (isTooLate(error)) return false;
    throw error;
  }
}

async function findSuspects(
  parts: { shape: TableShape; source: SourceRows; warehouse: WarehouseRows },
  signal: AbortSignal,
): Promise<Suspects> {
  const { shape, source, warehouse } = parts;
  const found =
    shape.order === 'shared'
      ? await suspectsByRange(source, warehouse, { scansView: shape.scansView, signal })
      : await suspectsByHash(source, warehouse, { signal });
  if (found.cut || shape.columns.every(({ hash }) => hash === undefined)) return found;
  const more = await suspectsByCells(source, warehouse, { signal });
  const keys = [...new Map([...found.keys, ...more].map((key) => [keyId(key), key])).values()];
  return { ...found, keys: keys.slice(0, MAX_SUSPECTS), cut: keys.length > MAX_SUSPECTS };
}

function nothingCompared(table: SourceTable, sourceRows: number): TableComparison {
  return {
    ...table,
    sourceRows,
    warehouseRows: 0,
    missing: 0,
    surplus: 0,
    different: 0,
    differences: [],
    cut: false,
    undecided: 0,
    notCompared: [],
  };
}

/** Rows of a table, counted no further than need be to say that it holds some. */
async function countRows(source: pg.Client, table: SourceTable): Promise<number> {
  const relation = await ownRows(source, table);
  const { rows } = await source.query<{ count: string }>(
    `SELECT count(*)::text AS count FROM (
       SELECT FROM ${relation}
       LIMIT ${MAX_COUNTED}) AS t`,
  );
  return Number(rows[0]?.count ?? 0);
}
