import { z } from 'zod';
import { Secret } from '#runtime/config.ts';
import type { Source } from './catalog.ts';
import {
  alertEntry,
  capturedTable,
  driftEntry,
  durationMs,
  type AlertTarget,
  type CapturedTable,
  type CopiedField,
  type DriftRule,
} from './drift-rule.ts';
import { endpointOf } from './endpoint.ts';
import { maskOf } from './mask.ts';
import { putter, type Path, type Put, type Reporter } from './reporter.ts';
import { isCaptured } from './table-pattern.ts';

/** One finding is one too many, unless the rule says otherwise. */
const DEFAULT_FINDINGS = 1;

/**
 * Understands the `drift` and `alerts` of a catalog. Entries of the wrong shape are left out: those
 * are told of already.
 *
 * @param sources - the sources of the catalog that are in order
 */
export function parseDrift(
  content: unknown,
  sources: readonly Source[],
  report: Reporter,
): { rules: DriftRule[]; alerts: AlertTarget[]; variables: string[] } {
  const variables: string[] = [];
  const put = putter(report, variables);
  const lists = z
    .object({ drift: z.array(z.unknown()).catch([]), alerts: z.array(z.unknown()).catch([]) })
    .safeParse(content).data;

  const firstOfName = new Map<string, number>();
  const rules = (lists?.drift ?? []).flatMap((entry, index): DriftRule[] => {
    const place = ['drift', index];
    const { data: written } = driftEntry.safeParse(entry);
    if (written === undefined) return [];
    const first = firstOfName.get(written.rule);
    if (first !== undefined) {
      report.at(
        [...place, 'rule'],
        `a rule "${written.rule}" is there already, on line ${first}`,
        'Give one of them another name.',
      );
    }
    firstOfName.set(written.rule, first ?? report.lineOf([...place, 'rule']));
    const rule = ruleOf(written, place, put);
    checkTables(rule, sources, place, report);
    checkColumns(rule, written.normalize ?? {}, sources, place, report);
    return [rule];
  });
  const alerts = (lists?.alerts ?? []).flatMap((entry, index): AlertTarget[] => {
    const { data: written } = alertEntry.safeParse(entry);
    if (written === undefined) return [];
    const place = ['alerts', index, 'url'];
    const url = put(written.url, place, 'https://hooks.example/services/…');
    if (!isHttp(url)) {
      report.at(place, 'the url is not an http or https address', 'Write https://host/path');
    }
    return [{ format: written.format, url: new Secret(url) }];
  });
  return { rules, alerts, variables };
}

function ruleOf(written: z.output<typeof driftEntry>, place: Path, put: Put): DriftRule {
  const { repair } = written;
  return {
    name: written.rule,
    owner: capturedTable(written.owner),
    copy: capturedTable(written.copy),
    reference: Object.entries(written.reference).map(([copy, owner]) => ({ copy, owner })),
    fields: Object.entries(written.fields).map(([copy, owner]) => ({
      copy,
      owner,
      normalize: written.normalize?.[copy] ?? [],
    })),
    where: new Map(
      Object.entries(written.where ?? {}).map(([column, wanted]) => [
        column,
        (Array.isArray(wanted) ? wanted : [wanted]).map((value) =>
          value === null ? null : String(value),
        ),
      ]),
    ),
    allowedStalenessMs: durationMs(written.allowed_staleness),
    orphansAllowed: written.orphans === 'allow',
    complete: written.complete,
    alert: {
      findings:
        written.alert?.findings ??
        (written.alert?.share === undefined ? DEFAULT_FINDINGS : Infinity),
      share: written.alert?.share ?? Infinity,
    },
    repair: repair === undefined ? undefined : endpointOf(repair, [...place, 'repair'], put),
  };
}

function checkTables(
  rule: DriftRule,
  sources: readonly Source[],
  place: Path,
  report: Reporter,
): void {
  for (const side of ['owner', 'copy'] as const) {
    const table = rule[side];
    const source = sources.find(({ name }) => name === table.source);
    const known = sources.map(({ name }) => name).join(', ');
    if (source === undefined) {
      report.at(
        [...place, side],
        `there is no source "${table.source}"`,
        `Write source.table with one of: ${known}`,
      );
    } else if (!isCaptured(source, table)) {
      report.at(
        [...place, side],
        `source ${table.source} does not capture ${table.schema}.${table.table}`,
        'Add the table to the `tables` of the source, or correct the name.',
      );
    }
  }
  for (const side of ['reference', 'fields'] as const) {
    if (rule[side].length === 0) {
      report.at(
        [...place, side],
        `${side} names no column`,
        'Write column of the copy: column of the owner.',
      );
    }
  }
}

function checkColumns(
  rule: DriftRule,
  normalize: Readonly<Record<string, unknown>>,
  sources: readonly Source[],
  place: Path,
  report: Reporter,
): void {
  const mask = (table: CapturedTable, column: string) =>
    maskOf(sources.find(({ name }) => name === table.source)?.masks ?? [], { ...table, column });
  for (const column of Object.keys(normalize)) {
    if (!rule.fields.some(({ copy }) => copy === column)) {
      report.atKey(
        [...place, 'normalize'],
        column,
        `"${column}" is none of the fields`,
        'Name a column of the copy that stands under `fields`.',
      );
    }
  }
  for (const { copy, owner } of rule.reference) {
    if (mask(rule.copy, copy) === undefined && mask(rule.owner, owner) === undefined) continue;
    report.atKey(
      [...place, 'reference'],
      copy,
      'rows are looked up by their keys at the sources, and this column is masked',
      'Leave keys that rules refer to unmasked (`keep`), or remove the rule.',
    );
  }
  for (const field of rule.fields) {
    const problem = maskProblem(mask(rule.copy, field.copy), mask(rule.owner, field.owner), field);
    if (problem === undefined) continue;
    report.atKey(
      [...place, 'fields'],
      field.copy,
      problem,
      'Mask both columns with `hash`, or neither; hashed ones are compared as they are.',
    );
  }
}

function maskProblem(
  copy: string | undefined,
  owner: string | undefined,
  { normalize }: CopiedField,
): string | undefined {
  if (copy === undefined && owner === undefined) return undefined;
  if (copy !== 'hash' || owner !== 'hash') {
    return `the warehouse cannot compare it: ${copy === undefined ? 'the owner' : owner === undefined ? 'the copy' : 'it'} is masked`;
  }
  return normalize.length > 0 ? 'hashes cannot be normalized' : undefined;
}

function isHttp(url: string): boolean {
  return URL.canParse(url) && /^https?:$/.test(new URL(url).protocol);
}
