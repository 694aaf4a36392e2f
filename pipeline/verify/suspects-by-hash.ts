import { FIRST_ROWS, nextRows, type Key, type KeyRange } from './key-range.ts';
import type { SourceRows } from './source-rows.ts';
import { MAX_SUSPECTS, type Suspects } from './suspects.ts';
import type { WarehouseRows } from './warehouse-rows.ts';

/** Rows whose hashes are kept in memory at a time, on average. */
export const ROWS_PER_PART = 1_000_000;

/**
 * Finds rows that differ where the two sides sort keys differently, so that no range of keys means
 * the same to both. The source is read in the order of its own index all the same; the hashes of
 * its rows are then looked for in the warehouse, in as many passes as memory asks for.
 */
export async function suspectsByHash(
  source: SourceRows,
  warehouse: WarehouseRows,
  { signal }: { signal: AbortSignal },
): Promise<Suspects> {
  const parts = Math.max(1, Math.ceil((await warehouse.count()) / ROWS_PER_PART));
  const keys: Key[] = [];
  let sourceRows = 0;
  let warehouseRows = 0;
  for (let part = 0; part < parts; part += 1) {
    const ranges: KeyRange[] = [];
    /** By hash of the key: hash of the row, and the range it was read in. */
    const rest = new Map<string, { hash: string; range: number }>();
    for await (const { range, rows } of readAll(source, { part, parts }, signal)) {
      ranges.push(range);
      for (const [key, hash] of rows) rest.set(key, { hash, range: ranges.length - 1 });
      sourceRows += rows.length;
    }
    const surplus: string[] = [];
    for await (const [key, hash] of warehouse.keyHashes({ part, parts })) {
      signal.throwIfAborted();
      warehouseRows += 1;
      const own = rest.get(key);
      if (own === undefined) surplus.push(key);
      else if (own.hash === hash) rest.delete(key);
    }
    const byRange = new Map<number, string[]>();
    for (const [key, { range }] of [...rest].slice(0, MAX_SUSPECTS)) {
      byRange.set(range, [...(byRange.get(range) ?? []), key]);
    }
    for (const [range, hashes] of byRange) {
      keys.push(...(await source.keysByHash(ranges[range] ?? {}, hashes)));
    }
    if (surplus.length > 0) {
      keys.push(...(await warehouse.keysByHash(surplus.slice(0, MAX_SUSPECTS))));
    }
    if (rest.size > MAX_SUSPECTS || surplus.length > MAX_SUSPECTS || keys.length > MAX_SUSPECTS) {
      return { keys: keys.slice(0, MAX_SUSPECTS), sourceRows, warehouseRows, cut: true };
    }
  }
  return { keys, sourceRows, warehouseRows, cut: false };
}

async function* readAll(
  source: SourceRows,
  part: { part: number; parts: number },
  signal: AbortSignal,
): AsyncGenerator<{ range: KeyRange; rows: [string, string][] }> {
  let rest: KeyRange = {};
  let size = FIRST_ROWS;
  for (;;) {
    signal.throwIfAborted();
    const began = performance.now();
    const upTo = await source.boundary(rest, size);
    const range = upTo === undefined ? rest : { ...rest, upTo };
    yield { range, rows: await source.keyHashes(range, part) };
    size = nextRows(size, performance.now() - began);
    if (upTo === undefined) return;
    rest = { after: upTo };
  }
}
