import { setTimeout as delay } from 'node:timers/promises';
import type { DriftRule } from '../../pipeline/catalog/drift-rule.ts';
import { shareDrifted } from '../../pipeline/drift/thresholds.ts';
import type { Finding } from '../../pipeline/drift/finding.ts';
import { RuleWatch, type WatchParts } from '../../pipeline/drift/rule-watch.ts';

const PAUSE_MS = 1_000;

/** How a rule stands after all of its copies were looked at. */
export interface CheckedRule {
  readonly rule: string;
  readonly copies: number;
  /** Share of the copies that drifted, 0 to 1. */
  readonly share: number;
  readonly findings: readonly Finding[];
  /** Copies of which nothing certain could be said in time. */
  readonly undecided: number;
  /** Whether more copies differ than are listed. */
  readonly cut: boolean;
}

/** Whether a rule holds: nothing drifted, and nothing is left open. */
export function holds({ findings, undecided, cut }: CheckedRule): boolean {
  return findings.length === 0 && undecided === 0 && !cut;
}

/**
 * Looks at all copies of a rule, and at those that are still on their way again until each is
 * decided.
 *
 * @throws TributaryError what the reads throw; the abort reason
 */
export async function checkRule(
  parts: Omit<WatchParts, 'rule'>,
  rule: DriftRule,
  { deadlineMs, signal }: { readonly deadlineMs: number; readonly signal: AbortSignal },
): Promise<CheckedRule> {
  const watch = new RuleWatch({ ...parts, rule });
  // A change that came just before is given its time, whatever was asked for.
  const deadline = Date.now() + rule.allowedStalenessMs + deadlineMs;
  let { cut } = await watch.round('sweep');
  while (watch.pending > 0 && Date.now() < deadline) {
    await delay(PAUSE_MS, undefined, { signal });
    cut ||= (await watch.round('changes')).cut;
  }
  const open = watch.open.filter(({ state }) => state === 'open');
  return {
    rule: rule.name,
    copies: watch.copies,
    share: shareDrifted({ open, copies: watch.copies }),
    findings: watch.open,
    undecided: watch.pending,
    cut,
  };
}
