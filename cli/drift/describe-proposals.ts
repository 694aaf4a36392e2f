import { stringify } from 'yaml';
import type { Proposal } from '../../pipeline/drift/discover.ts';
import { tableText } from '../../pipeline/drift/warehouse-side.ts';

/** Proposals as entries of tributary.yaml, each with its evidence as comments. */
export function describeProposals(proposals: readonly Proposal[]): string {
  if (proposals.length === 0) return 'nothing found that follows another source';
  const entries = proposals.map((proposal) => {
    const { owner, copy, reference, referring, leading, fields } = proposal;
    const entry = stringify([
      {
        rule: `${copy.table}-${reference.copy.replace(/_id$/, '')}`
          .toLowerCase()
          .replace(/[^a-z0-9]+/g, '-'),
        owner: tableText(owner),
        copy: tableText(copy),
        reference: { [reference.copy]: reference.owner },
        fields: Object.fromEntries(fields.map((field) => [field.copy, field.owner])),
      },
    ]);
    const evidence = [
      `${leading} of ${referring} ${reference.copy} lead to a row of ${tableText(owner)}`,
      ...fields.map(
        ({ copy: name, rows, equal, chance }) =>
          `${name}: ${percent(equal)} of ${rows} rows are equal; by chance ${percent(chance)} would be`,
      ),
    ];
    return [...evidence.map((line) => `  # ${line}`), indent(entry)].join('\n');
  });
  return ['# To be looked over, and put into tributary.yaml:', 'drift:', ...entries]
    .join('\n')
    .trimEnd();
}

function indent(text: string): string {
  return text.replace(/^(?=.)/gm, '  ');
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)}%`;
}
