import { setTimeout as delay } from 'node:timers/promises';
import { describeError } from '#runtime/errors.ts';
import type { DriftRule } from '../catalog/drift-rule.ts';
import { examine, type Examiner } from '../drift/examine.ts';
import { askOwner, repairUrl, type Repair } from '../drift/repair.ts';
import type { DriftStore, RepairRecord } from '../drift/store.ts';
import { readSides } from '../drift/warehouse-side.ts';
import { keyId } from '../verify/key-range.ts';

const PAUSE_MS = 500;

/**
 * Asks owners to publish their current values again, waits until their copies hold them, and keeps
 * a record of it.
 *
 * @param by - account that asked for it
 * @param deadlineMs - how long copies have to take what was published
 * @throws TributaryError what the reads throw
 */
export async function repairRule(
  parts: Pick<Examiner, 'catalog' | 'warehouse'> & {
    readonly rule: DriftRule;
    readonly store: DriftStore;
  },
  repairs: readonly Repair[],
  options: { readonly by: string; readonly deadlineMs: number; readonly signal: AbortSignal },
): Promise<RepairRecord[]> {
  const { rule, store, warehouse } = parts;
  const sides = await readSides(warehouse, rule);
  const columns = sides.owner.key.map(({ name }) => name);
  const asked: { repair: Repair; askedAt: number; refused: string | undefined }[] = [];
  for (const repair of repairs) {
    options.signal.throwIfAborted();
    const url = repairUrl(rule, columns, repair.owner);
    const askedAt = Date.now();
    const refused = await askOwner(rule, url).then(() => undefined, describeError);
    asked.push({ repair, askedAt, refused });
  }
  const open = await stillOpen();
  const records = asked.map(({ repair, askedAt, refused }): RepairRecord => {
    const isOpen = repair.copies.some((copy) => open.has(keyId(copy)));
    return {
      rule: rule.name,
      askedAt,
      ownerKey: keyId(repair.owner),
      copyKeys: repair.copies.map(keyId),
      askedBy: options.by,
      outcome: refused !== undefined ? 'refused' : isOpen ? 'not healed' : 'healed',
      detail: refused ?? (isOpen ? 'the copy did not take what was published' : ''),
    };
  });
  await store.writeRepairs(records);
  return records;

  /** Copies that still differ at their sources when the time is over. */
  async function stillOpen(): Promise<ReadonlySet<string>> {
    const deadline = Date.now() + options.deadlineMs;
    let rest = asked
      .filter(({ refused }) => refused === undefined)
      .flatMap(({ repair }) => repair.copies.map((copy) => ({ copy, owner: repair.owner })));
    for (;;) {
      // The value that was just published counts at once, not after the allowed staleness.
      const strict = { ...rule, allowedStalenessMs: 0 };
      const examined = await examine({ ...parts, rule: strict, sides, seen: new Map() }, rest);
      const open = examined.filter(({ unconfirmed, classification: { row, fields } }) => {
        return unconfirmed !== undefined || [row, ...fields].some((j) => j !== 'agrees');
      });
      rest = open.map(({ copy, owner }) => ({ copy, owner }));
      if (rest.length === 0 || Date.now() > deadline) {
        return new Set(rest.map(({ copy }) => keyId(copy)));
      }
      await delay(PAUSE_MS, undefined, { signal: options.signal });
    }
  }
}

/** What came of repairs, a line for each kind of outcome: `2 healed`, `1 refused: …`. */
export function repairOutcomes(records: readonly RepairRecord[]): string[] {
  return (['healed', 'not healed', 'refused'] as const).flatMap((outcome) => {
    const some = records.filter((record) => record.outcome === outcome);
    const [first] = some;
    if (first === undefined) return [];
    return [`${some.length} ${outcome}${first.detail === '' ? '' : `: ${first.detail}`}`];
  });
}

/** Whether every copy holds its owner's value now. */
export function areHealed(records: readonly RepairRecord[]): boolean {
  return records.every(({ outcome }) => outcome === 'healed');
}
