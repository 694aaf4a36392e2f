import type pg from 'pg';
import { TributaryError } from '#runtime/errors.ts';
import type { Source } from '../catalog/catalog.ts';
import type { CapturedTable } from '../catalog/drift-rule.ts';
import { tableRules } from '../catalog/column-rules.ts';
import { keyId, type Key } from '../verify/key-range.ts';
import { settleRows, type CatchUp } from '../verify/settle-rows.ts';
import { SourceRows } from '../verify/source-rows.ts';
import { readShape } from '../verify/table-shape.ts';
import { WarehouseRows } from '../verify/warehouse-rows.ts';
import { atSource, sourceOf, type Examined, type Examiner } from './examine.ts';

/** Makes what waits until the warehouse holds what was committed at a source. */
export type CatchUpWith = (source: Source, client: pg.Client) => CatchUp;

/**
 * Compares rows of both sides with their sources as `tributary verify` does: after the warehouse
 * has caught up. While it cannot, as when the pipeline stands still, nothing is said.
 *
 * @returns {@link keyId} of the copies that the warehouse has otherwise, or whose owner it has
 */
export async function settledDifferences(
  examiner: Omit<Examiner, 'seen'>,
  examined: readonly Examined[],
  catchUpWith: CatchUpWith,
): Promise<ReadonlySet<string>> {
  const { copy, owner } = examiner.rule;
  try {
    const copyKeys = examined.map((one) => one.copy);
    const copies = await differing(examiner, copy, copyKeys, catchUpWith);
    const ownerKeys = examined.map((one) => one.owner);
    const owners = await differing(examiner, owner, ownerKeys, catchUpWith);
    return new Set(
      examined
        .filter((one) => copies.has(keyId(one.copy)) || owners.has(keyId(one.owner)))
        .map((one) => keyId(one.copy)),
    );
  } catch (error) {
    if (error instanceof TributaryError && error.code === 'DEADLINE_EXCEEDED') return new Set();
    throw error;
  }
}

async function differing(
  { catalog, warehouse }: Omit<Examiner, 'seen'>,
  table: CapturedTable,
  keys: readonly Key[],
  catchUpWith: CatchUpWith,
): Promise<ReadonlySet<string>> {
  const source = sourceOf(catalog, table.source);
  const unique = [...new Map(keys.map((key) => [keyId(key), key])).values()];
  return atSource(source, async (client) => {
    const shape = await readShape(table, client, warehouse, tableRules(source, table));
    // Nor are rows looked up by a key that is hashed.
    if ('problem' in shape || shape.copies !== undefined) return new Set<string>();
    const { differences } = await settleRows(unique, {
      shape,
      source: new SourceRows(client, shape),
      warehouse: new WarehouseRows(warehouse, shape),
      catchUp: catchUpWith(source, client),
      showValues: false,
    });
    return new Set(differences.map(({ key }) => keyId(Object.values(key))));
  });
}
