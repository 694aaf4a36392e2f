import { FIRST_ROWS, keyId, type Key, type KeyRange } from './key-range.ts';
import { judge } from './row-difference.ts';
import { cellsOf } from './settle-rows.ts';
import type { SourceRows } from './source-rows.ts';
import { MAX_SUSPECTS } from './suspects.ts';
import type { WarehouseRows } from './warehouse-rows.ts';

/**
 * Finds rows of the source that the warehouse has otherwise, by looking each up by its key: for
 * columns that are hashed, of which no checksum can be made at the source.
 */
export async function suspectsByCells(
  source: SourceRows,
  warehouse: WarehouseRows,
  { signal }: { signal: AbortSignal },
): Promise<Key[]> {
  const suspects: Key[] = [];
  let rest: KeyRange = {};
  for (;;) {
    signal.throwIfAborted();
    const upTo = await source.boundary(rest, FIRST_ROWS);
    const range = upTo === undefined ? rest : { ...rest, upTo };
    const keys = (await source.hashes(range)).map(({ key }) => key);
    const here = await cellsOf(keys, source, false);
    const there = await cellsOf(keys, warehouse, false);
    for (const key of keys) {
      const own = here.get(keyId(key));
      if (judge(own, there.get(keyId(key)), own) !== 'equal') suspects.push(key);
    }
    if (upTo === undefined || suspects.length > MAX_SUSPECTS) return suspects;
    rest = { after: upTo };
  }
}
