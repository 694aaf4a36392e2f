import { examine, type Examiner } from '../../pipeline/drift/examine.ts';
import type { Finding } from '../../pipeline/drift/finding.ts';
import { readSides } from '../../pipeline/drift/warehouse-side.ts';
import type { Key } from '../../pipeline/verify/key-range.ts';
import type { ShownValues } from './describe-drift.ts';

/**
 * Looks both values of findings up at their sources. Of columns that are masked they are hashes.
 *
 * @throws TributaryError what the reads throw
 */
export async function valuesOfFindings(
  { catalog, warehouse }: Pick<Examiner, 'catalog' | 'warehouse'>,
  findings: readonly Finding[],
): Promise<(finding: Finding) => ShownValues | undefined> {
  const values = new Map<Finding, ShownValues>();
  for (const rule of catalog.drift) {
    const some = findings.filter((finding) => finding.rule === rule.name);
    if (some.length === 0) continue;
    const sides = await readSides(warehouse, rule);
    const examined = await examine(
      { catalog, warehouse, rule, sides, seen: new Map() },
      some.map(({ copyKey, ownerKey }) => ({
        copy: JSON.parse(copyKey) as Key,
        owner: JSON.parse(ownerKey) as Key,
      })),
    );
    for (const [index, finding] of some.entries()) {
      const place = rule.fields.findIndex(({ copy }) => copy === finding.field);
      const texts = examined[index]?.texts;
      if (place === -1 || texts === undefined) continue;
      values.set(finding, { owner: texts.owner?.[place], copy: texts.copy?.[place] });
    }
  }
  return (finding) => values.get(finding);
}
