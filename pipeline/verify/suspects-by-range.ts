import {
  cutRange,
  differingKeys,
  FIRST_ROWS,
  nextRows,
  sameSum,
  type Key,
  type KeyRange,
  type RangeSum,
} from './key-range.ts';
import type { SourceRows } from './source-rows.ts';
import { MAX_SUSPECTS, type Suspects } from './suspects.ts';
import type { WarehouseRows } from './warehouse-rows.ts';

/** Ranges of at most this many rows are compared row by row. */
const LEAF_ROWS = 250;
/** Into how many a differing range is cut: three halvings in one step. */
const PIECES = 8;
/** Ranges that the warehouse is asked for together. */
const RANGES_AT_ONCE = 16;
/** The same where every query makes ClickHouse read the whole view. */
const RANGES_PER_SCAN = 96;

interface Measured {
  readonly range: KeyRange;
  readonly sum: RangeSum;
}

/**
 * Finds rows that differ by the checksums of key ranges, cutting differing ranges smaller until
 * their rows can be compared. Source and warehouse work side by side.
 */
export async function suspectsByRange(
  source: SourceRows,
  warehouse: WarehouseRows,
  options: { scansView: boolean; signal: AbortSignal },
): Promise<Suspects> {
  const { signal } = options;
  const together = options.scansView ? RANGES_PER_SCAN : RANGES_AT_ONCE;
  const keys: Key[] = [];
  let cut = false;
  let sourceRows = 0;
  let warehouseRows = 0;

  async function compare(measured: readonly Measured[]): Promise<void> {
    const sums = await sumsOf(measured.map(({ range }) => range));
    for (const [index, { range, sum }] of measured.entries()) {
      const other = sums[index] ?? { rows: 0, hash: '0' };
      warehouseRows += other.rows;
      if (!sameSum(sum, other)) await narrow(range, sum.rows, other.rows);
    }
  }

  async function sumsOf(ranges: readonly KeyRange[]): Promise<RangeSum[]> {
    const { after } = ranges[0] ?? {};
    const { upTo } = ranges.at(-1) ?? {};
    const whole = {
      ...(after === undefined ? {} : { after }),
      ...(upTo === undefined ? {} : { upTo }),
    };
    const cuts = ranges
      .slice(0, -1)
      .flatMap((range) => (range.upTo === undefined ? [] : [range.upTo]));
    return warehouse.sums(whole, cuts);
  }

  async function narrow(range: KeyRange, here: number, there: number): Promise<void> {
    signal.throwIfAborted();
    if (keys.length >= MAX_SUSPECTS) {
      cut = true;
      return;
    }
    if (Math.max(here, there) <= LEAF_ROWS) {
      const [own, other] = await Promise.all([source.hashes(range), warehouse.hashes(range)]);
      keys.push(...differingKeys(own, other));
      return;
    }
    // Cut where there are more rows, or an empty table would never get smaller.
    const cuts = here >= there ? await sourceCuts(range, here) : await warehouseCuts(range, there);
    const pieces = cutRange(range, cuts);
    const others = await sumsOf(pieces);
    for (const [index, piece] of pieces.entries()) {
      const own = await source.sum(piece);
      const other = others[index] ?? { rows: 0, hash: '0' };
      if (!sameSum(own, other)) await narrow(piece, own.rows, other.rows);
    }
  }

  async function sourceCuts(range: KeyRange, rows: number): Promise<Key[]> {
    const cuts: Key[] = [];
    let rest = range;
    for (;;) {
      const next = await source.boundary(rest, Math.ceil(rows / PIECES));
      if (next === undefined || cuts.length === PIECES) return cuts;
      cuts.push(next);
      rest = { ...range, after: next };
    }
  }

  async function warehouseCuts(range: KeyRange, rows: number): Promise<Key[]> {
    return warehouse.cuts(range, Math.max(Math.ceil(rows / PIECES), LEAF_ROWS));
  }

  let rest: KeyRange = {};
  let rows = FIRST_ROWS;
  let batch: Measured[] = [];
  let comparing: Promise<void> = Promise.resolve();
  for (let more = true; more;) {
    signal.throwIfAborted();
    const began = performance.now();
    const upTo = await source.boundary(rest, rows);
    const range = upTo === undefined ? rest : { ...rest, upTo };
    const sum = await source.sum(range);
    rows = nextRows(rows, performance.now() - began);
    sourceRows += sum.rows;
    batch.push({ range, sum });
    more = upTo !== undefined && !cut;
    if (upTo !== undefined) rest = { after: upTo };
    if (batch.length >= together || !more) {
      await comparing;
      comparing = compare(batch);
      // Its failure is met by the next await.
      comparing.catch(() => undefined);
      batch = [];
    }
  }
  await comparing;
  return { keys, sourceRows, warehouseRows, cut };
}
