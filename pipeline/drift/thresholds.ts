import type { DriftRule } from '../catalog/drift-rule.ts';
import type { Burst } from './find-burst.ts';
import type { Finding } from './finding.ts';

/** How a rule stands. */
export interface Standing {
  /** Findings that both sources confirmed. */
  readonly open: readonly Finding[];
  /** Copies that the rule is about. */
  readonly copies: number;
}

/** Share of the copies that drifted, 0 to 1. */
export function shareDrifted({ open, copies }: Standing): number {
  const rows = new Set(open.map(({ copyKey }) => copyKey)).size;
  return copies === 0 ? (rows === 0 ? 0 : 1) : Math.min(1, rows / copies);
}

/** Whether a rule's thresholds are passed. */
export function isAlarming({ alert }: DriftRule, standing: Standing): boolean {
  const { length } = standing.open;
  return length > 0 && (length >= alert.findings || shareDrifted(standing) >= alert.share);
}

/** What an alert says: how much, of what kinds, and since when. Never a value or a key. */
export function summarize(rule: DriftRule, standing: Standing, burst: Burst | undefined): string {
  const { open, copies } = standing;
  const kinds = new Map<string, number>();
  for (const { kind } of open) kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
  const counts = [...kinds]
    .sort(([, a], [, b]) => b - a)
    .map(([kind, count]) => `${count} ${kind}`);
  const percent = (shareDrifted(standing) * 100).toPrecision(2);
  const parts = [
    `${rule.name}: ${open.length} ${open.length === 1 ? 'finding' : 'findings'} in ${copies} copies (${percent}%)`,
    counts.join(', '),
    ...(burst === undefined
      ? []
      : [`${burst.findings} of them began at ${new Date(burst.at).toISOString()}`]),
  ];
  return parts.join('; ');
}
