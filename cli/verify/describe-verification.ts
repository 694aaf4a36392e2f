import type { RowDifference } from '../../pipeline/verify/row-difference.ts';
import { agrees, type TableComparison } from '../../pipeline/verify/verify-table.ts';
import { tableLabel } from '../../pipeline/operations/named-tables.ts';
import { describeAgreement, describeComparisons } from '../up/compare-sources.ts';

/** Marks for a terminal; the identity elsewhere. */
export interface VerifyPaint {
  readonly good: (text: string) => string;
  readonly bad: (text: string) => string;
  readonly warn: (text: string) => string;
}

const KINDS = { missing: 'missing', surplus: 'too many', different: 'different' } as const;

/** All tables, then the differing rows of each by key and column, then what was left open. */
export function describeVerification(
  comparisons: readonly TableComparison[],
  limit: number,
  paint: VerifyPaint,
): string {
  const rows = comparisons.flatMap((comparison) => {
    if (comparison.differences.length === 0) return [];
    const shown = comparison.differences.slice(0, limit);
    const more = comparison.differences.length - shown.length;
    return [
      '',
      paint.bad(tableLabel(comparison)),
      ...shown.map((difference) => `  ${describeRow(difference)}`),
      ...(more > 0 || comparison.cut
        ? [
            `  … and ${more > 0 ? more.toLocaleString('en-US') : ''}${comparison.cut ? ' more than were looked at' : ' more'}`,
          ]
        : []),
    ];
  });
  const open = comparisons.flatMap((comparison) => [
    ...(comparison.undecided > 0 && comparison.problem === undefined
      ? [
          `${tableLabel(comparison)}: ${comparison.undecided} rows were written each time they were looked at; nothing is said of them`,
        ]
      : []),
    ...(comparison.notCompared.length > 0
      ? [`${tableLabel(comparison)}: columns not compared: ${comparison.notCompared.join(', ')}`]
      : []),
  ]);
  const differing = comparisons.filter((comparison) => !agrees(comparison)).length;
  return [
    describeComparisons(comparisons),
    ...rows,
    ...(open.length > 0 ? ['', ...open.map(paint.warn)] : []),
    '',
    differing === 0
      ? paint.good(describeAgreement(comparisons))
      : paint.bad(`${differing} of ${comparisons.length} tables differ`),
  ].join('\n');
}

/** One row in one line: what is wrong, its key, its columns. */
function describeRow({ kind, key, columns }: RowDifference): string {
  const where = Object.entries(key).map(([name, value]) => `${name}=${JSON.stringify(value)}`);
  const what = columns.map(({ name, source, warehouse }) =>
    source === undefined
      ? name
      : `${name}: ${JSON.stringify(source)}, in the warehouse ${JSON.stringify(warehouse)}`,
  );
  return `${KINDS[kind].padEnd(9)}  ${where.join(' ')}${what.length === 0 ? '' : `  ${what.join(', ')}`}`;
}
