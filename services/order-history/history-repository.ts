import { z } from 'zod';
import type { Database } from '#runtime/service/database.ts';
import { schemaOf } from './generations.ts';

/** An order with all that belongs to it, as the API shows it. */
export const historyOrderShape = z.object({
  order_id: z.string(),
  order_number: z.string(),
  placed_at: z.iso.datetime(),
  user_id: z.string(),
  user_name: z.string().nullable(),
  user_email: z.string().nullable(),
  currency: z.string(),
  total: z.string(),
  lines: z.array(z.record(z.string(), z.unknown())),
  status: z.string(),
  status_changed_at: z.iso.datetime(),
  reason: z.string().nullable(),
  payment_id: z.string().nullable(),
  payment_method: z.string().nullable(),
  payment_status: z.string().nullable(),
  refunded_amount: z.string().nullable(),
});
/** See {@link historyOrderShape}. */
export type HistoryOrder = z.output<typeof historyOrderShape>;

const COLUMNS = `order_id, order_number, placed_at, user_id, user_name, user_email, currency, total,
  lines, status, status_changed_at, reason, payment_id, payment_method, payment_status,
  refunded_amount`;

/** Words of a search, each of which has to begin a word of the order; undefined when there are none. */
export function searchQuery(text: string): string | undefined {
  const words = text.match(/[\p{L}\p{N}]+/gu) ?? [];
  return words.length === 0 ? undefined : words.map((word) => `${word}:*`).join(' & ');
}

/** What to list. */
export interface HistoryFilter {
  readonly userId: string | undefined;
  readonly status: string | undefined;
  /** As {@link searchQuery} makes it. */
  readonly search: string | undefined;
}

/** Up to `count` orders, newest first, older than the given place: one query, whatever is asked. */
export async function listHistory(
  database: Database,
  generation: number,
  filter: HistoryFilter,
  placedAt: string | null,
  id: string | null,
  count: number,
): Promise<HistoryOrder[]> {
  return database.query<HistoryOrder>(
    `SELECT ${COLUMNS} FROM ${schemaOf(generation)}.orders
     WHERE placed_at IS NOT NULL
       AND ($1::timestamptz IS NULL OR (placed_at, order_id) < ($1, $2::uuid))
       AND ($3::uuid IS NULL OR user_id = $3) AND ($4::text IS NULL OR status = $4)
       AND ($5::text IS NULL OR search @@ to_tsquery('simple', lower($5 COLLATE pg_c_utf8)))
     ORDER BY placed_at DESC, order_id DESC LIMIT $6`,
    [placedAt, id, filter.userId ?? null, filter.status ?? null, filter.search ?? null, count],
  );
}
