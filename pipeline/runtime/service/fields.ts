import { z } from 'zod';

const BIGINT_MAX = 9_223_372_036_854_775_807n;
const INT_MAX = 2_147_483_647;
/** NUL and lone surrogates: PostgreSQL can store neither in text. */
const UNSTORABLE = /[\0\p{Surrogate}]/u;
const JSON_MAX_DEPTH = 16;
const JSON_MAX_BYTES = 16_384;

/** Schema of a uuid in any letter case; comes out in lower case, as PostgreSQL prints it. */
export const uuid = () => z.guid().transform((text) => text.toLowerCase());

/** Schema of text of 1 to `max` characters that PostgreSQL can store. */
export const text = (max: number) =>
  z
    .string()
    .min(1)
    .max(max)
    .refine((value) => !UNSTORABLE.test(value), 'has characters that cannot be stored');

/** Schema of a bigint, zero or above, as a string of digits: a JSON number would lose digits. */
export const bigintText = () =>
  z
    .string()
    .regex(/^\d{1,19}$/, 'needs a string of digits')
    // After a failed pattern this check still runs, and BigInt must not throw in it.
    .refine((value) => !/^\d+$/.test(value) || BigInt(value) <= BIGINT_MAX, 'is too large');

/** Schema of a numeric(12,2) amount, zero or above, as a string such as `"19.90"`. */
export const amount = () =>
  z.string().regex(/^\d{1,10}(\.\d{1,2})?$/, 'needs a string such as "19.90"');

/** Schema of an amount above zero. */
export const positiveAmount = () => amount().regex(/[1-9]/, 'must be above zero');

/** Schema of an ISO 4217 code. */
export const currency = () => z.string().regex(/^[A-Z]{3}$/, 'needs three capital letters');

/** Schema of an ISO 3166 code of two letters. */
export const country = () => z.string().regex(/^[A-Z]{2}$/, 'needs two capital letters');

/** Schema of a calendar date from 1900 on, `YYYY-MM-DD`. */
export const date = () => z.iso.date().refine((value) => value >= '1900-01-01', 'is too long ago');

/** Schema of a whole number from `min` that fits PostgreSQL's integer. */
export const wholeNumber = (min: number, max: number = INT_MAX) =>
  z.number().int().min(min).max(max);

/**
 * Schema of a JSON object for a jsonb column, bounded in size and depth. Its numbers are JSON
 * numbers as JavaScript reads them.
 */
export const jsonObject = () =>
  z
    .custom<Record<string, unknown>>(isStorableObject, {
      error: `needs a JSON object of at most ${JSON_MAX_BYTES} bytes, ${JSON_MAX_DEPTH} levels deep, with storable text`,
    })
    .meta({ type: 'object' });

function isStorableObject(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  // By hand and with a list of its own: a body of thousands of brackets must not end the stack.
  const open: { value: unknown; depth: number }[] = [{ value, depth: 1 }];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (typeof next.value === 'string' && UNSTORABLE.test(next.value)) return false;
    if (typeof next.value !== 'object' || next.value === null) continue;
    if (next.depth > JSON_MAX_DEPTH) return false;
    for (const [key, inner] of Object.entries(next.value)) {
      if (UNSTORABLE.test(key)) return false;
      open.push({ value: inner, depth: next.depth + 1 });
    }
  }
  return Buffer.byteLength(JSON.stringify(value)) <= JSON_MAX_BYTES;
}
