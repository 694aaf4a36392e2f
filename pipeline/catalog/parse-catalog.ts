import { isMap, LineCounter, parseDocument, type Document } from 'yaml';
import { z } from 'zod';
import { Secret } from '#runtime/config.ts';
import { catalogDocument, type Catalog, type Source } from './catalog.ts';
import { catalogInvalid, type CatalogProblem } from './catalog-problem.ts';
import { interpolate } from './interpolate.ts';
import { MASK_KEY_VARIABLE, MIN_MASK_KEY_LENGTH, type MaskRule } from './mask.ts';
import { parseDrift } from './parse-drift.ts';
import { erasableEvents, parseErase } from './parse-erase.ts';
import type { Path, Reporter } from './reporter.ts';
import { explainShapeIssue, explainUnknownKey } from './shape-problem.ts';
import { parsePostgresUrl } from './postgres-address.ts';
import {
  BadTablePattern,
  isOneTable,
  parseColumnPattern,
  parseTablePattern,
  type TablePattern,
} from './table-pattern.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Understands the text of a catalog file.
 *
 * @param path - what to call the file in messages
 * @throws TributaryError `CATALOG_INVALID`
 */
export function parseCatalog(text: string, path: string, env: Environment): Catalog {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const problems: CatalogProblem[] = [];
  const report = (offset: number, what: string, fix: string) => {
    const { line, col } = lines.linePos(offset);
    problems.push({ line, column: col, what, fix });
  };

  for (const { pos, message } of document.errors) {
    report(
      pos[0],
      `not valid YAML: ${message}`,
      'Correct the YAML; a name must not repeat in a map.',
    );
  }
  if (problems.length > 0) throw catalogInvalid(path, problems);

  const content: unknown = document.toJS();
  const at = (place: Path) => offsetOf(document, place);
  const shape = catalogDocument.safeParse(content);
  for (const issue of shape.error?.issues ?? []) {
    if (issue.code === 'unrecognized_keys') {
      for (const key of issue.keys) {
        const { what, fix } = explainUnknownKey(issue.path, key);
        report(offsetOfKey(document, issue.path, key), what, fix);
      }
    } else {
      const there = document.hasIn(issue.path) && document.getIn(issue.path) !== null;
      const { what, fix } = explainShapeIssue(issue, there);
      report(at(issue.path), what, fix);
    }
  }

  const variables: string[] = [];
  const erasable = erasableEvents(content);
  const sources: Source[] = [];
  const firstOfName = new Map<string, number>();
  // Looked at entry by entry, not only once the shape is right: all problems are told at once.
  for (const [index, entry] of looseEntries(content).entries()) {
    const place = ['sources', index];
    const { name, url } = entry;
    if (typeof name === 'string') {
      const first = firstOfName.get(name);
      if (first === undefined) {
        firstOfName.set(name, lines.linePos(at([...place, 'name'])).line);
      } else {
        report(
          at([...place, 'name']),
          `a source "${name}" is there already, on line ${first}`,
          'Give one of them another name, or put the tables of both under one.',
        );
      }
    }
    const patternsOf = <Pattern>(
      key: 'tables' | 'exclude' | 'text_columns' | 'contract',
      parse: (text: string, line: number) => Pattern,
    ) =>
      texts(entry[key]).flatMap(([position, pattern]): Pattern[] => {
        const offset = at([...place, key, position]);
        try {
          return [parse(pattern, lines.linePos(offset).line)];
        } catch (error) {
          if (!(error instanceof BadTablePattern)) throw error;
          report(offset, error.message, error.fix);
          return [];
        }
      });
    const tablePattern = (text: string, line: number) => ({ ...parseTablePattern(text), line });
    const tables = patternsOf('tables', tablePattern);
    const exclude = patternsOf('exclude', tablePattern);
    const outbox = outboxOf(entry['outbox'], (what, fix) =>
      report(at([...place, 'outbox']), what, fix),
    );
    const textColumns = patternsOf('text_columns', parseColumnPattern);
    const contract = patternsOf('contract', parseColumnPattern);
    const masks = maskEntries(entry['mask']).flatMap(([pattern, how]): MaskRule[] => {
      const offset = offsetOfKey(document, [...place, 'mask'], pattern);
      try {
        return [{ pattern: parseColumnPattern(pattern, lines.linePos(offset).line), how }];
      } catch (error) {
        if (!(error instanceof BadTablePattern)) throw error;
        report(offset, error.message, error.fix);
        return [];
      }
    });
    const hashes = masks.some(({ how }) => how === 'hash');
    const maskKey = env[MASK_KEY_VARIABLE];
    if (hashes) {
      variables.push(MASK_KEY_VARIABLE);
      if (maskKey === undefined || maskKey.length < MIN_MASK_KEY_LENGTH) {
        report(
          at([...place, 'mask']),
          `\`hash\` takes a key, and ${MASK_KEY_VARIABLE} ${maskKey === undefined ? 'is not set' : 'is too short'}`,
          `Set ${MASK_KEY_VARIABLE} to at least ${MIN_MASK_KEY_LENGTH} random characters (openssl rand -hex 32), and keep it: with another key hashes no longer match those from before.`,
        );
        continue;
      }
    }
    if (typeof url !== 'string') continue;
    const resolved = interpolate(url, env, 'postgres://user:password@host:5432/dbname');
    variables.push(...resolved.variables);
    for (const { what, fix } of resolved.problems) report(at([...place, 'url']), what, fix);
    if (resolved.problems.length > 0) continue;
    const address = parsePostgresUrl(resolved.text);
    if ('problem' in address) {
      report(
        at([...place, 'url']),
        `the url is not usable: ${address.problem}`,
        'Write postgres://user:password@host:port/dbname',
      );
      continue;
    }
    const { password, ...shown } = address;
    sources.push({
      name: typeof name === 'string' ? name : '',
      url: new Secret(resolved.text),
      password: new Secret(password),
      address: shown,
      tables,
      exclude: outbox === undefined ? exclude : [...exclude, outbox],
      outbox,
      erasableEvents: (typeof name === 'string' ? erasable.get(name) : undefined) ?? [],
      firstLoad: firstLoadOf(entry['first_load']),
      copyRowsPerSecond:
        typeof entry['copy_rows_per_second'] === 'number'
          ? entry['copy_rows_per_second']
          : undefined,
      textColumns,
      renames: renamesOf(entry['renames']),
      keys: keysOf(entry['keys']),
      rows: rowsOf(entry['rows']),
      contract,
      masks,
      maskKey: hashes && maskKey !== undefined ? new Secret(maskKey) : undefined,
    });
  }
  const reporter: Reporter = {
    env,
    at: (place, what, fix) => report(at(place), what, fix),
    atKey: (place, key, what, fix) => report(offsetOfKey(document, place, key), what, fix),
    lineOf: (place) => lines.linePos(at(place)).line,
  };
  const drift = parseDrift(content, sources, reporter);
  const erase = parseErase(content, sources, reporter);
  if (problems.length > 0) throw catalogInvalid(path, problems);
  return {
    path,
    sources,
    drift: drift.rules,
    alerts: drift.alerts,
    erase: erase.rules,
    variables: [...new Set([...variables, ...drift.variables, ...erase.variables])],
  };
}

/** The outbox that an entry names: one table. */
function outboxOf(
  value: unknown,
  report: (what: string, fix: string) => void,
): TablePattern | undefined {
  if (typeof value !== 'string') return undefined;
  try {
    const pattern = parseTablePattern(value);
    if (isOneTable(pattern)) return pattern;
    report(`"${value}" does not name one table`, 'Write schema.table, without * and ?.');
  } catch (error) {
    if (!(error instanceof BadTablePattern)) throw error;
    report(error.message, error.fix);
  }
  return undefined;
}

function renamesOf(value: unknown): Map<string, Map<string, string>> {
  const shape = z.record(z.string(), z.record(z.string(), z.string()));
  const tables = shape.safeParse(value).data ?? {};
  return new Map(
    Object.entries(tables).map(([table, names]) => [table, new Map(Object.entries(names))]),
  );
}

function keysOf(value: unknown): Map<string, string[]> {
  const shape = z.record(z.string(), z.array(z.string()));
  return new Map(Object.entries(shape.safeParse(value).data ?? {}));
}

function rowsOf(value: unknown): Map<string, Map<string, string[]>> {
  const shape = z.record(z.string(), z.record(z.string(), z.array(z.string())));
  return new Map(
    Object.entries(shape.safeParse(value).data ?? {}).map(([table, columns]) => [
      table,
      new Map(Object.entries(columns)),
    ]),
  );
}

/** The lines of `mask` that have the right shape, in their order. */
function maskEntries(value: unknown): [string, MaskRule['how']][] {
  const shape = z.record(z.string(), z.enum(['drop', 'hash', 'redact', 'keep']).catch('keep'));
  return Object.entries(shape.safeParse(value).data ?? {});
}

/** The source entries that are maps, whatever else is wrong with them. */
function looseEntries(content: unknown): Readonly<Record<string, unknown>>[] {
  const loose = z.object({ sources: z.array(z.record(z.string(), z.unknown()).catch({})) });
  return loose.safeParse(content).data?.sources ?? [];
}

/** The texts of a list with their positions. */
function texts(value: unknown): [number, string][] {
  return Array.isArray(value)
    ? [...value.entries()].filter(
        (entry): entry is [number, string] => typeof entry[1] === 'string',
      )
    : [];
}

/** Where a value stands in the text; for one that is not there, where what should hold it does. */
function offsetOf(document: Document, path: Path): number {
  for (let length = path.length; length >= 0; length--) {
    const node: unknown =
      length === 0 ? document.contents : document.getIn(path.slice(0, length), true);
    const range = rangeOf(node);
    if (range !== undefined) return range;
  }
  return 0;
}

function offsetOfKey(document: Document, path: Path, key: string): number {
  const map: unknown = path.length === 0 ? document.contents : document.getIn(path, true);
  const pair = isMap(map)
    ? map.items.find(
        (item) => String(z.object({ value: z.unknown() }).safeParse(item.key).data?.value) === key,
      )
    : undefined;
  return rangeOf(pair?.key) ?? offsetOf(document, path);
}

function rangeOf(node: unknown): number | undefined {
  const range = z.object({ range: z.tuple([z.number()], z.number()) }).safeParse(node);
  return range.data?.range[0];
}

function firstLoadOf(word: unknown): Source['firstLoad'] {
  return word === 'copy' || word === 'snapshot' ? word : 'by size';
}
