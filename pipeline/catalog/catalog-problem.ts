import { TributaryError } from '#runtime/errors.ts';

/** One thing wrong with a catalog file. */
export interface CatalogProblem {
  /** From 1. */
  readonly line: number;
  /** From 1. */
  readonly column: number;
  readonly what: string;
  readonly fix: string;
}

/** The one error that lists everything wrong with a catalog file, in the order of its lines. */
export function catalogInvalid(path: string, problems: readonly CatalogProblem[]): TributaryError {
  const lines = [...problems]
    .sort((a, b) => a.line - b.line || a.column - b.column)
    .map(({ line, column, what, fix }) => `${path}:${line}:${column}: ${what}\n    ${fix}`);
  const count = lines.length === 1 ? 'a problem' : `${lines.length} problems`;
  return new TributaryError('CATALOG_INVALID', `${path} has ${count}:\n  ${lines.join('\n  ')}`, {
    context: { path, problems: lines.length },
  });
}
