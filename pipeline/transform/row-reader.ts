import { messageCode, TributaryError } from '#runtime/errors.ts';
import { AvroMismatch, SHARED_CURSOR, type AvroCursor } from '../avro/avro-cursor.ts';
import { compileSkip, partsOf, type Skip } from '../avro/avro-skip.ts';
import { compileType, decodeAt, malformed } from '../avro/decoder.ts';
import { columnPatternText } from '../catalog/table-pattern.ts';
import type { RowPlace } from '../change/change-event.ts';
import type { ColumnValue } from '../change/row-image.ts';
import type { Cell } from './column-type.ts';
import { readerOf, type ReadInto } from './direct-values.ts';
import type { RowBlock } from './row-block.ts';
import type { PlannedColumn, TablePlan } from './table-plan.ts';

/** How one field of a row is read. */
interface Field {
  /** Place among the plan's columns; -1 of a field that is dropped. */
  readonly index: number;
  /** Number of the branch that is null, of how many; of a field that cannot be null -1 and 0. */
  readonly nullBranch: number;
  readonly branches: number;
  readonly skip: Skip;
  readonly read: ReadInto;
  readonly decode: (cursor: AvroCursor) => Cell;
}

const NONE: readonly number[] = [];

/** Reads rows of one plan off the bytes of their records. */
export class RowReader {
  readonly #plan: TablePlan;
  readonly #fields: readonly Field[];
  /** The column that is being read, for what may be wrong with it. */
  #current = -1;

  /** @param asText - stored names of columns that the warehouse keeps as text, whatever they are */
  constructor(plan: TablePlan, asText: ReadonlySet<string>) {
    this.#plan = plan;
    const places = new Map(plan.columns.map(({ field }, index) => [field, index]));
    const types = partsOf(compileType(plan.row)).fields ?? [];
    this.#fields = types.map(({ name, type }): Field => {
      const index = places.get(name) ?? -1;
      const { types: union } = partsOf(type);
      const nullBranch = union?.findIndex((branch) => partsOf(branch).typeName === 'null') ?? -1;
      // One type or null; other unions are read as a whole.
      const isOptional = union?.length === 2 && nullBranch >= 0;
      const value = isOptional ? (union[1 - nullBranch] ?? type) : type;
      const column = plan.columns[index];
      return {
        index,
        nullBranch: isOptional ? nullBranch : -1,
        branches: isOptional ? 2 : 0,
        skip: compileSkip(type),
        read:
          column === undefined
            ? () => false
            : readerOf(column.type, value, !asText.has(column.stored)),
        decode: (cursor) => {
          const decoded = decodeAt(type, cursor) as ColumnValue;
          return decoded === null || column === undefined ? null : column.type.encode(decoded);
        },
      };
    });
  }

  /**
   * Adds the columns of a row to a block; the row is not ended.
   *
   * @returns places of the columns whose value is the one that the row had before
   * @throws TributaryError `VALUE_REJECTED` naming the column, when its type cannot hold the value
   */
  read(record: Buffer, { at, isKeyOnly }: RowPlace, block: RowBlock): readonly number[] {
    const cursor = SHARED_CURSOR;
    cursor.reset(record, at);
    let unchanged: number[] | undefined;
    try {
      for (const field of this.#fields) {
        const { index } = field;
        this.#current = index;
        if (index < 0 || (isKeyOnly && this.#plan.columns[index]?.isKey === false)) {
          field.skip(cursor);
          if (index >= 0) block.addNull(index);
        } else if (field.branches > 0 && cursor.readBranch(2) === field.nullBranch) {
          block.addNull(index);
        } else if (!block.read(index, field.read, cursor)) {
          (unchanged ??= []).push(index);
        }
      }
    } catch (error) {
      throw this.#explained(record, error);
    }
    return unchanged ?? NONE;
  }

  /** Cells of the key of a row, by their places among the plan's columns. */
  key(record: Buffer, { at }: RowPlace): ReadonlyMap<number, Cell> {
    const cursor = SHARED_CURSOR;
    cursor.reset(record, at);
    const cells = new Map<number, Cell>();
    for (const { index, skip, decode } of this.#fields) {
      this.#current = index;
      if (this.#plan.columns[index]?.isKey === true) cells.set(index, decode(cursor));
      else skip(cursor);
    }
    return cells;
  }

  #explained(record: Buffer, error: unknown): unknown {
    if (error instanceof AvroMismatch) return malformed(record, error);
    const column = this.#plan.columns[this.#current];
    return column === undefined ? error : rejected(this.#plan, column, error);
  }
}

function rejected(plan: TablePlan, column: PlannedColumn, error: unknown): unknown {
  if (messageCode(error) !== 'VALUE_REJECTED') return error;
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
