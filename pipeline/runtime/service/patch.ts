import { z } from 'zod';
import { Problem } from './problem.ts';

/** Schema of a change: the fields of `shape`, all of them optional, at least one given. */
export const changeOf = <Shape extends z.ZodRawShape>(shape: Shape) =>
  z
    .strictObject(shape)
    .partial()
    .refine((change) => Object.keys(change).length > 0, 'nothing to change');

/**
 * The `SET` list of an UPDATE and its values, from a change that a strict schema has checked: its
 * keys are column names, which is why they may stand in the statement.
 *
 * @param first - number of the first parameter
 */
export function assignments(
  change: Readonly<Record<string, unknown>>,
  first: number,
): { sql: string; values: unknown[] } {
  const entries = Object.entries(change).filter(([, value]) => value !== undefined);
  return {
    sql: entries.map(([column], index) => `"${column}" = $${first + index}`).join(', '),
    values: entries.map(([, value]) => (isPlainObject(value) ? JSON.stringify(value) : value)),
  };
}

/**
 * The row an UPDATE returned, when it returned one. When it did not, `current` tells whether the
 * row is missing or has another version than the caller's `If-Match` names.
 *
 * @throws Problem `not-found` or `version-mismatch`
 */
export function changedRow<Row extends { version: number }>(
  rows: readonly Row[],
  current: Row | undefined,
  what: string,
): Row {
  const [row] = rows;
  if (row !== undefined) return row;
  if (current === undefined) throw new Problem('not-found', `There is no such ${what}.`);
  throw new Problem(
    'version-mismatch',
    `The ${what} was changed by somebody else; read it again and repeat the change.`,
    { extras: { current_version: current.version } },
  );
}

function isPlainObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
