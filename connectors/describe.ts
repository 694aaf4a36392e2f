import type { Finding } from './finding.ts';
import type { PlanStep } from './plan.ts';
import type { PreflightReport } from './preflight.ts';

/** Marks parts of a text for a terminal; the identity where there is none. */
export interface Paint {
  readonly good: (text: string) => string;
  readonly bad: (text: string) => string;
  readonly warn: (text: string) => string;
  readonly dim: (text: string) => string;
}

/** Texts as they are. */
export const NO_PAINT: Paint = {
  good: (text) => text,
  bad: (text) => text,
  warn: (text) => text,
  dim: (text) => text,
};

/** A plan for a person to read: one line a connector, one a setting that differs. */
export function describePlan(steps: readonly PlanStep[], paint: Paint = NO_PAINT): string {
  return steps.map((step) => describeStep(step, paint)).join('\n');
}

function describeStep(step: PlanStep, paint: Paint): string {
  if (step.kind === 'create') return paint.good(`+ ${step.name}`);
  if (step.kind === 'unchanged') return `= ${step.name}`;
  if (step.kind === 'unmanaged') return paint.dim(`? ${step.name}  not in the catalog, left alone`);
  const unset = '(not set)';
  return [
    paint.warn(`~ ${step.name}`),
    ...step.changes.map(
      ({ setting, live, desired }) => `    ${setting}: ${live ?? unset} -> ${desired ?? unset}`,
    ),
  ].join('\n');
}

/** What preflight found, each with the SQL that mends it. */
export function describeReport(report: PreflightReport, paint: Paint = NO_PAINT): string {
  const count = report.tables.length;
  const tables = `${count} ${count === 1 ? 'table' : 'tables'}`;
  const head = report.findings.some(({ severity }) => severity === 'error')
    ? paint.bad(`${report.source}: not ready`)
    : paint.good(`${report.source}: ready`);
  return [
    `${head} ${paint.dim(`(${tables})`)}`,
    ...report.findings.map((finding) => describeFinding(finding, paint)),
  ].join('\n');
}

function describeFinding(finding: Finding, paint: Paint): string {
  const mark = finding.severity === 'error' ? paint.bad('error') : paint.warn('warning');
  return [
    `  ${mark} ${finding.what} ${paint.dim(`[${finding.id}]`)}`,
    `    ${finding.why}`,
    ...finding.sql.map((statement) => `      ${statement}`),
    ...(finding.advice === undefined ? [] : [`    ${finding.advice}`]),
  ].join('\n');
}
