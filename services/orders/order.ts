import { z } from 'zod';
import { date, jsonObject, text, uuid, wholeNumber } from '#runtime/service/fields.ts';
import { changeOf } from '#runtime/service/patch.ts';
import type { OrderStatus } from './order-status.ts';

/** Body that places an order. */
export const newOrder = z.strictObject({
  /** Given by callers that may have to repeat the request: an order is placed once per id. */
  id: uuid().optional(),
  user_id: uuid(),
  lines: z
    .array(z.strictObject({ product_id: uuid(), quantity: wholeNumber(1, 1_000) }))
    .min(1)
    .max(50),
  gift: z.boolean().default(false),
  note: text(1_000).nullable().default(null),
  coupon_codes: z.array(text(40)).max(10).default([]),
  shipping_address: jsonObject().nullable().default(null),
  requested_delivery: date().nullable().default(null),
  payment: z
    .strictObject({
      method: z.enum(['card', 'bank_transfer', 'wallet', 'voucher']).default('card'),
      /** What the payment provider gets to know. */
      details: jsonObject().default({}),
    })
    .prefault({}),
});

/** Body that changes an order that is not closed. */
export const orderChange = changeOf({
  gift: z.boolean(),
  note: text(1_000).nullable(),
  shipping_address: jsonObject().nullable(),
  requested_delivery: date().nullable(),
});

/** Body that cancels an order. */
export const cancellation = z.strictObject({ reason: text(500).nullable().default(null) });

/** An order to place. */
export type NewOrder = z.output<typeof newOrder>;
/** Fields of an order to change. */
export type OrderChange = z.output<typeof orderChange>;

/** A row of `order_lines`, as the API shows it. */
export interface OrderLine {
  readonly order_id: string;
  readonly line_no: number;
  readonly product_id: string;
  readonly product_name: string;
  readonly unit_price: string;
  readonly quantity: number;
  readonly line_total: string;
}

/** A row of `orders`. */
export interface OrderRow {
  readonly id: string;
  readonly order_number: string;
  readonly user_id: string;
  readonly user_name: string;
  readonly user_email: string;
  readonly status: OrderStatus;
  readonly total: string;
  readonly currency: string;
  readonly gift: boolean;
  readonly note: string | null;
  readonly coupon_codes: readonly string[];
  readonly shipping_address: Record<string, unknown> | null;
  readonly requested_delivery: string | null;
  /** Placed while users did not answer: name and address were copies. */
  readonly buyer_stale: boolean;
  readonly payment_id: string | null;
  readonly placed_at: string;
  readonly paid_at: string | null;
  readonly closed_at: string | null;
  readonly cancel_reason: string | null;
  readonly version: number;
  readonly created_at: string;
  readonly updated_at: string;
}

/** An order with its lines, as the API shows it. */
export interface Order extends OrderRow {
  readonly lines: readonly OrderLine[];
}
