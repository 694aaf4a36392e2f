import { createHmac } from 'node:crypto';
import type { Secret } from '#runtime/config.ts';
import { matchesColumn, type ColumnPattern, type TableName } from './table-pattern.ts';

/**
 * What becomes of a column's values before anything leaves the process: `drop` leaves the column
 * out, `redact` puts one text in place of every value, `hash` a text that is equal for equal values,
 * so that joins and counts still work. NULL stays NULL.
 */
export type Mask = 'drop' | 'hash' | 'redact';

/** Which columns to mask. The first rule that matches a column decides; `keep` is an exception. */
export interface MaskRule {
  readonly pattern: ColumnPattern;
  readonly how: Mask | 'keep';
}

/** What stands in place of a redacted value. */
export const REDACTED = '***';

/** Environment variable with the key of `hash`. */
export const MASK_KEY_VARIABLE = 'TRIBUTARY_MASK_KEY';
/** Shorter ones can be guessed. */
export const MIN_MASK_KEY_LENGTH = 16;

/** How a column is masked, if it is. */
export function maskOf(
  rules: readonly MaskRule[],
  name: TableName & { readonly column: string },
): Mask | undefined {
  const how = rules.find(({ pattern }) => matchesColumn(pattern, name))?.how;
  return how === 'keep' ? undefined : how;
}

/**
 * HMAC-SHA-256 of a text, in hexadecimal: without the key nobody can try out likely values.
 *
 * @param key - one for all sources, so that their hashes can be joined
 */
export function keyedHash(key: Secret): (text: string) => string {
  return (text) => createHmac('sha256', key.reveal()).update(text).digest('hex');
}
