import type pg from 'pg';
import { inShare, sharesOf } from './table-shares.ts';

/** Connections that read a source side by side. */
export const READERS = 2;
/** A table of fewer blocks, 32 MB, is read in one go. */
const SMALL_BLOCKS = 4_096;
/** Blocks that one connection reads in one go: 256 MB. */
const MAX_BLOCKS = 32_768;

/** How a table is read. */
export interface TableReads {
  /** What Postgres reckons; it may be wrong. */
  readonly rowsExpected: number;
  /** Queries that together give each row once, in sequential reads. */
  readonly selects: readonly string[];
}

// Rows in partitions are read through the whole, which is all that the capture role need be allowed.
const SIZE = `
  SELECT relkind = 'p' AS "isPartitioned",
         (pg_relation_size(oid) / current_setting('block_size')::int)::float8 AS blocks
  FROM pg_class WHERE oid = to_regclass($1)`;

/**
 * @param relation - quoted name of the table
 * @param texts - SQL of each column
 */
export async function planReads(
  client: pg.Client,
  relation: string,
  texts: readonly string[],
): Promise<TableReads> {
  const { rows } = await client.query<{ isPartitioned: boolean; blocks: number }>(SIZE, [relation]);
  const { isPartitioned, blocks } = rows[0] ?? { isPartitioned: true, blocks: 0 };
  const from = `FROM ${isPartitioned ? '' : 'ONLY '}${relation}`;
  const shares = sharesOf(isPartitioned ? 0 : blocks, blocksPerShare(blocks));
  return {
    rowsExpected: await estimateRows(client, from),
    selects: shares.map((share) => `SELECT ${texts.join(', ')} ${from} WHERE ${inShare(share)}`),
  };
}

/** The planner has a guess also where nothing was analyzed yet. */
async function estimateRows(client: pg.Client, from: string): Promise<number> {
  const { rows } = await client.query<{ 'QUERY PLAN': [{ Plan: { 'Plan Rows': number } }] }>(
    `EXPLAIN (FORMAT JSON) SELECT ${from}`,
  );
  return rows[0]?.['QUERY PLAN'][0].Plan['Plan Rows'] ?? 0;
}

/** As many as give every reader as much to do as the others. */
function blocksPerShare(blocks: number): number {
  if (blocks <= SMALL_BLOCKS) return SMALL_BLOCKS;
  return Math.ceil(blocks / (READERS * Math.ceil(blocks / (READERS * MAX_BLOCKS))));
}
