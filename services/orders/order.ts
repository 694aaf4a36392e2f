import { z } from 'zod';
import { date, jsonObject, text, uuid, wholeNumber } from '#runtime/service/fields.ts';
import { changeOf } from '#runtime/service/patch.ts';
import { ORDER_STATUSES } from './order-status.ts';

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
export const orderLineShape = z.object({
  order_id: z.string(),
  line_no: z.int(),
  product_id: z.string(),
  product_name: z.string(),
  unit_price: z.string(),
  quantity: z.int(),
  line_total: z.string(),
});
/** See {@link orderLineShape}. */
export type OrderLine = z.output<typeof orderLineShape>;

/** A row of `orders`. */
export const orderRowShape = z.object({
  id: z.string(),
  order_number: z.string(),
  user_id: z.string(),
  user_name: z.string(),
  user_email: z.string(),
  status: z.enum(ORDER_STATUSES),
  total: z.string(),
  currency: z.string(),
  gift: z.boolean(),
  note: z.string().nullable(),
  coupon_codes: z.array(z.string()),
  shipping_address: z.record(z.string(), z.unknown()).nullable(),
  requested_delivery: z.string().nullable(),
  /** Placed while users did not answer: name and address were copies. */
  buyer_stale: z.boolean(),
  payment_id: z.string().nullable(),
  placed_at: z.iso.datetime(),
  paid_at: z.iso.datetime().nullable(),
  closed_at: z.iso.datetime().nullable(),
  cancel_reason: z.string().nullable(),
  version: z.int(),
  created_at: z.iso.datetime(),
  updated_at: z.iso.datetime(),
});
/** See {@link orderRowShape}. */
export type OrderRow = z.output<typeof orderRowShape>;

/** An order with its lines, as the API shows it. */
export const orderShape = z.object({
  ...orderRowShape.shape,
  lines: z.array(orderLineShape),
});
/** See {@link orderShape}. */
export type Order = z.output<typeof orderShape>;
