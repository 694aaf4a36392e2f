import { z } from 'zod';
import { uuid } from './fields.ts';
import { Problem } from './problem.ts';

/** Most items of a page and of a bulk read. */
export const MAX_PAGE = 200;
const DEFAULT_PAGE = 50;

/** One page of a list. */
export interface Page<Item> {
  readonly items: readonly Item[];
  /** Give it back as `cursor` for the next page; null on the last one. */
  readonly next_cursor: string | null;
}

/** Schema of a {@link Page}. */
export const pageShape = <Item extends z.ZodType>(item: Item) =>
  z.object({ items: z.array(item), next_cursor: z.string().nullable() });

/** Query parameters of every list. */
export const pageQuery = {
  limit: z
    .string()
    .regex(/^\d{1,4}$/, 'needs a number')
    .transform(Number)
    .pipe(z.number().min(1).max(MAX_PAGE))
    .default(DEFAULT_PAGE),
  cursor: z.string().max(500).optional(),
};

/** Query parameter of a bulk read: up to {@link MAX_PAGE} ids with commas between, each read once. */
export const idList = (id: z.ZodType<string, string> = uuid()) =>
  z
    .string()
    .transform((text) => text.split(','))
    .pipe(z.array(id).min(1).max(MAX_PAGE))
    .transform((ids) => [...new Set(ids)]);

/**
 * Makes the page from one row more than its limit: that row only tells that there is a next page.
 *
 * @param keyOf - the columns the list is sorted by, a unique one last
 */
export function pageOf<Item>(
  rows: readonly Item[],
  limit: number,
  keyOf: (item: Item) => readonly string[],
): Page<Item> {
  const items = rows.slice(0, limit);
  const last = items.at(-1);
  const more = rows.length > limit && last !== undefined;
  return { items, next_cursor: more ? encodeCursor(keyOf(last)) : null };
}

/** A place in a list, as text that callers need not understand. */
export function encodeCursor(key: readonly string[]): string {
  return Buffer.from(JSON.stringify(key)).toString('base64url');
}

/**
 * The sort key a cursor stands for, or nulls for the first page.
 *
 * @throws Problem `bad-request` for a cursor that this list did not hand out
 */
export function decodeCursor<const Parts extends readonly z.ZodType<string>[]>(
  cursor: string | undefined,
  ...parts: Parts
): { [Index in keyof Parts]: string | null } {
  type Key = { [Index in keyof Parts]: string | null };
  if (cursor === undefined) return parts.map(() => null) as Key;
  try {
    const key: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'));
    if (!Array.isArray(key) || key.length !== parts.length) throw new Error('wrong shape');
    return parts.map((part, index) => part.parse(key[index])) as Key;
  } catch (cause) {
    throw new Problem('bad-request', 'The cursor is not one that this list handed out.', {
      cause,
      extras: { errors: [{ in: 'query', path: '/cursor', message: 'is not valid' }] },
    });
  }
}

/** Schema of the timestamps that lists are sorted by, with microseconds. */
export const timestampKey = () => z.iso.datetime();
