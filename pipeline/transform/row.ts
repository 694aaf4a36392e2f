import { messageCode, TributaryError } from '#runtime/errors.ts';
import { columnPatternText } from '../catalog/table-pattern.ts';
import type { ChangeEvent } from '../change/change-event.ts';
import { lsn } from '../change/lsn.ts';
import type { Offset } from '../change/offset.ts';
import { isUnavailable, type Columns } from '../change/row-image.ts';
import { packVersion, type Epoch } from '../change/version.ts';
import type { Cell } from './column-type.ts';
import { textOf } from './column-type.ts';
import { OWN_COLUMNS, type PlannedColumn, type TablePlan } from './table-plan.ts';
import { timestampText } from './temporal-text.ts';

/**
 * A change as one row of the warehouse: cells of the plan's columns, then of `OWN_COLUMNS`. An update
 * of a table without a key is two, a line each: the row before it goes, the one after it comes.
 *
 * Rows wait as the text they are sent as: one string each, where cells would be twenty objects for
 * the garbage collector to follow.
 */
export interface Row {
  /** The cells as a JSON array; see {@link cellsOf}. */
  readonly json: string;
  /** Indexes of cells whose value is the one the row had before; to be filled in by the sink. */
  readonly unchanged: readonly number[];
}

/** Where a record stands in Kafka. */
export interface Position {
  readonly partition: number;
  readonly offset: Offset;
  /** Of a replayed record the offset it had at first, which decides its version. */
  readonly firstOffset?: Offset | undefined;
}

const NONE: readonly number[] = [];
/** Place of `_deleted` in `OWN_COLUMNS`. */
const DELETED = OWN_COLUMNS.findIndex(({ name }) => name === '_deleted');

/** A change of one row. */
export type RowEvent = Exclude<ChangeEvent, { kind: 'truncate' }>;

/**
 * Makes the row of a change event.
 *
 * @throws TributaryError `VALUE_REJECTED` naming the column, when its type cannot hold the value;
 * `ROW_INCOMPLETE` when a value is left out of a row that nothing else can tell
 */
export function rowOf(plan: TablePlan, event: RowEvent, position: Position, epoch: Epoch): Row {
  const own = ownCells(event, position, epoch);
  const row = encodeRow(plan, event.columns, own);
  if (!plan.isKeyless) return row;
  const before =
    event.before === undefined ? undefined : encodeRow(plan, event.before, own.with(DELETED, 1));
  if (row.unchanged.length + (before?.unchanged.length ?? 0) > 0) throw incomplete(plan);
  return before === undefined ? row : { ...row, json: `${before.json}\n${row.json}` };
}

function encodeRow(plan: TablePlan, values: Columns, own: readonly Cell[]): Row {
  const cells: Cell[] = [];
  let unchanged: number[] | undefined;
  for (const column of plan.columns) {
    const value = values[column.field] ?? null;
    if (value === null) {
      cells.push(null);
    } else if (isUnavailable(value)) {
      (unchanged ??= []).push(cells.length);
      cells.push(null);
    } else {
      try {
        cells.push(column.type.encode(value));
      } catch (error) {
        throw rejected(plan, column, error);
      }
    }
  }
  cells.push(...own);
  return { json: JSON.stringify(cells), unchanged: unchanged ?? NONE };
}

/** A complete row of these cells. */
export function completeRow(cells: readonly Cell[]): Row {
  return { json: JSON.stringify(cells), unchanged: NONE };
}

/** The cells of a row. */
export function cellsOf(row: Row): Cell[] {
  return JSON.parse(row.json) as Cell[];
}

/** Cells of `OWN_COLUMNS`: what a change was, and where it stands in the commit order. */
export function ownCells(event: ChangeEvent, position: Position, epoch: Epoch): Cell[] {
  const { kind, origin } = event;
  const commitLsn = origin.commitLsn ?? lsn(0n);
  return [
    packVersion({
      epoch,
      commitLsn,
      offset: position.firstOffset ?? position.offset,
    }).toString(),
    kind === 'delete' || kind === 'truncate' ? 1 : 0,
    kind,
    timestampText(origin.committedAtMicros),
    (origin.lsn ?? 0n).toString(),
    position.partition,
    position.offset.toString(),
    origin.transaction ?? 0,
  ];
}

/** Text that is equal exactly for rows of the same primary key. */
export function keyText(plan: TablePlan, cells: readonly Cell[]): string {
  return textOf(
    plan.columns.flatMap((column, index) => (column.isKey ? [cells[index] ?? null] : [])),
  );
}

/** With REPLICA IDENTITY FULL nothing is left out. */
function incomplete({ source, relation }: TablePlan): TributaryError {
  return new TributaryError(
    'ROW_INCOMPLETE',
    `${source}.${relation}: a change of a table without a key lacks a value`,
    { context: { source, table: relation } },
  );
}

function rejected(plan: TablePlan, column: PlannedColumn, error: unknown): TributaryError {
  if (messageCode(error) !== 'VALUE_REJECTED') throw error;
  const { source, relation, schema, table } = plan;
  const pattern = columnPatternText({ schema, table, column: column.sourceName });
  const advice = column.keptAsText
    ? ''
    : `; text_columns: ['${pattern.replaceAll("'", "''")}'] in the catalog, at source ${source}, keeps the column as exact text`;
  return new TributaryError(
    'VALUE_REJECTED',
    `${source}.${relation}, column ${column.name}: ${(error as Error).message}${advice}`,
    { cause: error, context: { source, table: relation, column: column.name } },
  );
}
