import type { Key } from '../../pipeline/verify/key-range.ts';
import { keyText } from '../../pipeline/drift/repair.ts';
import type { Finding } from '../../pipeline/drift/finding.ts';
import { holds, type CheckedRule } from './check-rules.ts';

/** Marks for a terminal; the identity elsewhere. */
export interface DriftPaint {
  readonly good: (text: string) => string;
  readonly bad: (text: string) => string;
}

/** Both values of a finding, where somebody may see them. */
export interface ShownValues {
  readonly owner: string | null | undefined;
  readonly copy: string | null | undefined;
}

/** How rules stand, one line each, then what was found. */
export function describeCheck(
  checked: readonly CheckedRule[],
  limit: number,
  paint: DriftPaint,
): string {
  const header = ['rule', 'copies', 'drifted', 'findings', 'undecided'];
  const lines = checked.map((rule) => [
    rule.rule,
    rule.copies.toLocaleString('en-US'),
    percent(rule.share),
    `${rule.findings.length.toLocaleString('en-US')}${rule.cut ? ' or more' : ''}`,
    rule.undecided.toLocaleString('en-US'),
  ]);
  const widths = header.map((title, column) =>
    Math.max(title.length, ...lines.map((line) => line[column]?.length ?? 0)),
  );
  const table = [header, ...lines].map((line, row) => {
    const rule = checked[row - 1];
    const mark = rule === undefined ? (text: string) => text : holds(rule) ? paint.good : paint.bad;
    return line
      .map((cell, column) =>
        column === 0 ? mark(cell.padEnd(widths[0] ?? 0)) : cell.padStart(widths[column] ?? 0),
      )
      .join('  ');
  });
  const findings = checked.flatMap((rule) => rule.findings);
  return [...table, ...(findings.length === 0 ? [] : ['', describeFindings(findings, limit)])].join(
    '\n',
  );
}

/** Findings one by one. */
export function describeFindings(
  findings: readonly Finding[],
  limit: number,
  valuesOf: (finding: Finding) => ShownValues | undefined = () => undefined,
): string {
  const shown = findings
    .slice(0, limit)
    .map((finding) => describeFinding(finding, valuesOf(finding)));
  const hasMore = findings.length > shown.length;
  return [...shown, ...(hasMore ? [`and more (--limit)`] : [])].join('\n');
}

function describeFinding(finding: Finding, values: ShownValues | undefined): string {
  const { rule, copyKey, ownerKey, field, kind, state, note, missedEvent } = finding;
  const copy = keyText(JSON.parse(copyKey) as Key);
  const owner = keyText(JSON.parse(ownerKey) as Key);
  const what = state === 'open' ? kind : `${kind}, ${state}`;
  const facts = [
    `${field === '' ? 'row' : field} of copy ${copy}, owner ${owner}`,
    ...(values === undefined ? [] : [`owner ${shown(values.owner)}, copy ${shown(values.copy)}`]),
    ...time('owner changed', finding.ownerChangedAt),
    ...time('copy changed', finding.copyChangedAt),
    ...time('missed', finding.missedAt, missedEvent),
    ...time('found', finding.openedAt),
    ...time('healed', finding.healedAt),
    ...(note === '' ? [] : [note]),
  ];
  return [`${rule}: ${what}`, ...facts.map((fact) => `    ${fact}`)].join('\n');
}

function time(what: string, at: number | undefined, more = ''): string[] {
  return at === undefined
    ? []
    : [`${what} ${new Date(at).toISOString()}${more === '' ? '' : `: ${more}`}`];
}

function shown(value: string | null | undefined): string {
  if (value === undefined) return 'has no row';
  return value === null ? 'NULL' : JSON.stringify(value);
}

function percent(share: number): string {
  if (share === 0) return '0%';
  return share < 0.0001 ? '< 0.01%' : `${(share * 100).toFixed(2)}%`;
}
