import type { RowCells } from './row-cells.ts';
import { keyId } from './key-range.ts';
import { describeRow, type RowDifference } from './row-difference.ts';
import type { CatchUp } from './settle-rows.ts';
import type { SourceRows } from './source-rows.ts';
import { MAX_SUSPECTS } from './suspects.ts';
import { ROWS_PER_PART } from './suspects-by-hash.ts';
import type { TableShape } from './table-shape.ts';
import type { WarehouseRows } from './warehouse-rows.ts';

/** What became of a comparison of two multisets. */
export interface CopiesComparison {
  readonly sourceRows: number;
  readonly warehouseRows: number;
  readonly missing: number;
  readonly surplus: number;
  readonly different: number;
  /** One for each different row, however many copies one side has too few of. */
  readonly differences: readonly RowDifference[];
  readonly cut: boolean;
}

/**
 * Compares a table without a key, or whose key the warehouse has as hashes: how often each row is
 * there, at one moment of the source. The change log says of which transaction each change is, so what
 * came after that moment is left out on the other side, and nothing has to be looked at twice.
 *
 * @param catchUp - without it the warehouse is taken as it is
 * @throws TributaryError whatever `catchUp` and the reads throw; the abort reason
 */
export async function compareCopies(
  parts: {
    shape: TableShape;
    source: SourceRows;
    warehouse: WarehouseRows;
    catchUp: CatchUp | undefined;
    showValues: boolean;
  },
  signal: AbortSignal,
): Promise<CopiesComparison> {
  const { source, warehouse, catchUp } = parts;
  const passes = Math.max(1, Math.ceil((await warehouse.count()) / ROWS_PER_PART));
  let [sourceRows, warehouseRows, missing, surplus, cut] = [0, 0, 0, 0, false];
  const differing: Copies[] = [];
  for (let part = 0; part < passes; part += 1) {
    const counts = new Map<string, number>();
    const snapshot = await source.readCopies(
      { part, parts: passes },
      (hash) => {
        counts.set(hash, (counts.get(hash) ?? 0) + 1);
        sourceRows += 1;
      },
      signal,
    );
    await catchUp?.();
    const compare = (hash: string, here: number, there: number) => {
      if (here === there) return;
      missing += Math.max(here - there, 0);
      surplus += Math.max(there - here, 0);
      if (differing.length < MAX_SUSPECTS) differing.push({ hash, here, there });
      else cut = true;
    };
    for await (const [hash, copies] of warehouse.copies({ part, parts: passes }, snapshot)) {
      signal.throwIfAborted();
      const there = Number(copies);
      warehouseRows += there;
      compare(hash, counts.get(hash) ?? 0, there);
      counts.delete(hash);
    }
    for (const [hash, here] of counts) compare(hash, here, 0);
  }
  if (parts.shape.copies?.hashedKey.length === 0) {
    const differences = await describe(differing, parts, signal);
    return { sourceRows, warehouseRows, missing, surplus, different: 0, differences, cut };
  }
  const differences = await describeByKey(differing, parts, signal);
  const count = (kind: RowDifference['kind']) =>
    differences.filter((difference) => difference.kind === kind).length;
  const found = {
    missing: count('missing'),
    surplus: count('surplus'),
    different: count('different'),
  };
  return { sourceRows, warehouseRows, ...found, differences, cut };
}

/** A row by its hash, and how often either side has it. */
interface Copies {
  readonly hash: string;
  readonly here: number;
  readonly there: number;
}

/** By hash, or by the values that are not NULL when they may be shown. */
async function describe(
  differing: readonly Copies[],
  { shape, source, warehouse, showValues }: Parameters<typeof compareCopies>[0],
  signal: AbortSignal,
): Promise<RowDifference[]> {
  const hashes = differing.map(({ hash }) => hash);
  const isAsked = showValues && hashes.length > 0;
  const texts: ReadonlyMap<string, RowCells> = isAsked
    ? new Map([
        ...(await warehouse.cellsByHash(hashes, true)),
        ...(await source.cellsByHash(hashes, true, signal)),
      ])
    : new Map();
  return differing.map(({ hash, here, there }) => ({
    key: keyOf(shape, texts.get(hash)) ?? { row: hash },
    kind: here > there ? 'missing' : 'surplus',
    columns: [{ name: 'copies', source: String(here), warehouse: String(there) }],
  }));
}

/** By the hashed key, which tells a row that is other on both sides from two rows. */
async function describeByKey(
  differing: readonly Copies[],
  { shape, source, warehouse, showValues }: Parameters<typeof compareCopies>[0],
  signal: AbortSignal,
): Promise<RowDifference[]> {
  if (differing.length === 0) return [];
  const key = shape.copies?.hashedKey ?? [];
  const places = key.map((name) => shape.columns.findIndex(({ published }) => published === name));
  const sides = new Map<string, { key: string[]; here?: RowCells; there?: RowCells }>();
  const note = (hash: string, cells: RowCells | undefined, side: 'here' | 'there') => {
    // Gone since: it is named by its hash.
    const texts = cells === undefined ? [hash] : places.map((place) => cells.cells[place] ?? '');
    const id = keyId(texts);
    sides.set(id, { ...sides.get(id), key: texts, [side]: cells ?? { cells: [] } });
  };
  const few = differing.filter(({ here, there }) => here > there).map(({ hash }) => hash);
  const many = differing.filter(({ here, there }) => here < there).map(({ hash }) => hash);
  const there = many.length === 0 ? undefined : await warehouse.cellsByHash(many, showValues);
  for (const hash of many) note(hash, there?.get(hash), 'there');
  const here = few.length === 0 ? undefined : await source.cellsByHash(few, showValues, signal);
  for (const hash of few) note(hash, here?.get(hash), 'here');
  const names = { key, columns: shape.columns.map(({ name }) => name) };
  return [...sides.values()].map((row) =>
    describeRow(names, row.key, row.here, row.there, showValues),
  );
}

function keyOf({ columns }: TableShape, row: RowCells | undefined) {
  if (row === undefined) return undefined;
  return Object.fromEntries(
    columns.flatMap(({ name }, index) => {
      const cell = row.cells[index] ?? null;
      return cell === null ? [] : [[name, cell]];
    }),
  );
}
