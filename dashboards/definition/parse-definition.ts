import { isMap, LineCounter, parseDocument, type Document } from 'yaml';
import type { z } from 'zod';
import { TributaryError } from '#runtime/errors.ts';
import { didYouMean } from '../../pipeline/catalog/did-you-mean.ts';
import { dashboardDocument, type Dashboard } from './definition.ts';
import { GIVEN_PARAMETERS, unknownParameters } from './sql-parameters.ts';

type Path = readonly PropertyKey[];

interface Problem {
  readonly line: number;
  readonly column: number;
  readonly what: string;
  readonly fix: string;
}

/**
 * Understands the text of a dashboard's file.
 *
 * @param id - name of the file without its ending; the name of the page
 * @param path - what to call the file in messages
 * @throws TributaryError `DASHBOARD_INVALID` with every problem at once, each with place and fix
 */
export function parseDefinition(id: string, text: string, path: string): Dashboard {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const problems: Problem[] = [];
  const report = (offset: number, what: string, fix: string) => {
    const { line, col } = lines.linePos(offset);
    problems.push({ line, column: col, what, fix });
  };
  for (const { pos, message } of document.errors) {
    report(pos[0], `not valid YAML: ${message}`, 'Correct the YAML.');
  }
  if (problems.length > 0) throw invalid(path, problems);
  const parsed = dashboardDocument.safeParse(document.toJS());
  for (const issue of parsed.error?.issues ?? []) {
    if (issue.code === 'unrecognized_keys') {
      for (const key of issue.keys) {
        report(
          offsetOfKey(document, issue.path, key),
          `unknown key "${key}"`,
          knownKeys(issue, key),
        );
      }
      continue;
    }
    const { what, fix } = explain(issue, document.hasIn(issue.path));
    report(offsetOf(document, issue.path), what, fix);
  }
  if (parsed.success) {
    for (const { place, what, fix } of crossCheck(parsed.data)) {
      report(offsetOf(document, place), what, fix);
    }
  }
  if (problems.length > 0 || !parsed.success) throw invalid(path, problems);
  return { ...parsed.data, id };
}

/** What one value cannot show: names that repeat, and parameters that nobody gives. */
function crossCheck(
  dashboard: z.output<typeof dashboardDocument>,
): { place: Path; what: string; fix: string }[] {
  const names = dashboard.variables.map(({ name }) => name);
  const ids = dashboard.panels.map(({ id }) => id);
  const repeated = (list: readonly string[], index: number) =>
    list.indexOf(list[index] ?? '') < index;
  return [
    ...names.flatMap((name, index) =>
      repeated(names, index)
        ? [
            {
              place: ['variables', index, 'name'],
              what: `a variable "${name}" is there already`,
              fix: 'Give one of them another name.',
            },
          ]
        : [],
    ),
    ...dashboard.panels.flatMap((panel, index) => [
      ...(repeated(ids, index)
        ? [
            {
              place: ['panels', index, 'id'],
              what: `a panel "${panel.id}" is there already`,
              fix: 'Give one of them another id.',
            },
          ]
        : []),
      ...parameterProblems(panel.sql, names, ['panels', index, 'sql'], []),
      ...(panel.drilldown === undefined
        ? []
        : parameterProblems(
            panel.drilldown.sql,
            names,
            ['panels', index, 'drilldown', 'sql'],
            panel.kind === 'bar' ? ['label', 'series'] : ['series'],
          )),
    ]),
  ];
}

function parameterProblems(
  sql: string,
  variables: readonly string[],
  place: Path,
  more: readonly string[],
) {
  return unknownParameters(sql, [...variables, ...more]).map((name) => ({
    place,
    what: `nothing gives the parameter {${name}}`,
    fix: `Add a variable of that name, or use one of: ${[...GIVEN_PARAMETERS, ...more, ...variables].join(', ')}.`,
  }));
}

function explain(issue: z.core.$ZodIssue, there: boolean): { what: string; fix: string } {
  const name = issue.path.length === 0 ? 'the dashboard' : String(issue.path.at(-1));
  if (!there)
    return {
      what: `${name} is missing`,
      fix: 'Add it; dashboards/README.md lists what a dashboard has.',
    };
  if (issue.code === 'invalid_value') {
    return {
      what: `${name} is none of its values`,
      fix: `Write one of ${issue.values.map(String).join(', ')}.`,
    };
  }
  if (issue.code === 'invalid_type') {
    return {
      what: `${name} has the wrong kind of value`,
      fix: `Write a value of kind ${issue.expected}.`,
    };
  }
  return {
    what: `${name}: ${issue.message}`,
    fix: 'Correct the value; dashboards/README.md says what is allowed.',
  };
}

function knownKeys(issue: z.core.$ZodIssue, key: string): string {
  const known = keysAt(issue.path);
  const meant = didYouMean(key, known);
  const list = `Known here: ${known.join(', ')}.`;
  return meant === undefined ? list : `Did you mean "${meant}"? ${list}`;
}

/** Keys that the schema has at a place. */
function keysAt(path: Path): string[] {
  type Node = { properties?: Record<string, Node>; items?: Node };
  let node = dashboardDocument.toJSONSchema({ io: 'input' }) as Node;
  for (const step of path) {
    node = (typeof step === 'number' ? node.items : node.properties?.[String(step)]) ?? {};
  }
  return Object.keys(node.properties ?? {});
}

function invalid(path: string, problems: readonly Problem[]): TributaryError {
  const lines = [...problems]
    .sort((a, b) => a.line - b.line || a.column - b.column)
    .map(({ line, column, what, fix }) => `${path}:${line}:${column}: ${what}\n    ${fix}`);
  const count = lines.length === 1 ? 'a problem' : `${lines.length} problems`;
  return new TributaryError('DASHBOARD_INVALID', `${path} has ${count}:\n  ${lines.join('\n  ')}`, {
    context: { path, problems: lines.length },
  });
}

/** Where a value stands; for one that is not there, where what should hold it does. */
function offsetOf(document: Document, path: Path): number {
  for (let length = path.length; length > 0; length--) {
    const start = startOf(document.getIn(path.slice(0, length), true));
    if (start !== undefined) return start;
  }
  return startOf(document.contents) ?? 0;
}

function offsetOfKey(document: Document, path: Path, key: string): number {
  const map: unknown = path.length === 0 ? document.contents : document.getIn(path, true);
  const pair = isMap(map)
    ? map.items.find((item) => (item.key as { value?: unknown } | null)?.value === key)
    : undefined;
  return startOf(pair?.key) ?? offsetOf(document, path);
}

function startOf(node: unknown): number | undefined {
  const range = (node as { range?: readonly number[] | null } | null | undefined)?.range;
  return range?.[0];
}
