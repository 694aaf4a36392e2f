import { QUIET_EVERY_MS } from '../../pipeline/drift/monitor.ts';
import type { RuleStatus } from '../../pipeline/drift/drift-status.ts';
import type { Known } from './gather-status.ts';

/** A monitor that runs writes a round of each rule more often than this. */
const SILENT_MS = 5 * QUIET_EVERY_MS;

/** Whether nothing drifts, as far as the monitor knows, and whether it is at work. */
export function isDriftFree(status: Known<readonly RuleStatus[]>, now: number): boolean {
  return 'value' in status && status.value.every((rule) => troubles(rule, now).length === 0);
}

/** The drift line, and what to do about it. Undefined when there are no rules. */
export function describeDriftStatus(
  status: Known<readonly RuleStatus[]>,
  now: number,
): string | undefined {
  if (!('value' in status)) return `? drift: ${status.unknown}`;
  const rules = status.value;
  if (rules.length === 0) return undefined;
  const lines = rules.flatMap((rule) => troubles(rule, now));
  const looked = Math.min(...rules.map(({ lookedAt }) => lookedAt ?? 0));
  return lines.length === 0
    ? `drift: ${rules.length} ${rules.length === 1 ? 'rule' : 'rules'}, nothing found; all looked at ${age(now - looked)} ago`
    : lines.join('\n');
}

function troubles(status: RuleStatus, now: number): string[] {
  const { rule, open, unconfirmed, oldestAt, lookedAt, problem } = status;
  const silent = lookedAt === undefined || now - lookedAt > SILENT_MS;
  return [
    ...(open === 0
      ? []
      : [
          `! drift: ${rule}: ${count(open)}${oldestAt === undefined ? '' : `, the oldest for ${age(now - oldestAt)}`}\n  → tributary drift list ${rule}`,
        ]),
    ...(unconfirmed === 0
      ? []
      : [`! drift: ${rule}: ${count(unconfirmed)} not confirmed, a source does not answer`]),
    ...(problem === '' ? [] : [`! drift: ${problem}`]),
    ...(silent
      ? [
          `! drift: ${rule}: ${lookedAt === undefined ? 'never looked at' : `last looked at ${age(now - lookedAt)} ago`}\n  → start the drift monitor`,
        ]
      : []),
  ];
}

function count(findings: number): string {
  return findings === 1 ? '1 finding' : `${findings.toLocaleString('en-US')} findings`;
}

function age(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1_000));
  if (seconds < 120) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 120 ? `${minutes} min` : `${Math.round(minutes / 60)} h`;
}
