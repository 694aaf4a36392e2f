import { z } from 'zod';
import { currency, jsonObject, positiveAmount, text, uuid } from '#runtime/service/fields.ts';
import { changeOf } from '#runtime/service/patch.ts';

/** Ways to pay. */
export const PAYMENT_METHODS = ['card', 'bank_transfer', 'wallet', 'voucher'] as const;

/** States of a payment: authorized, then captured or failed, then refunded in part or in full. */
export const PAYMENT_STATUSES = [
  'authorized',
  'captured',
  'failed',
  'partially_refunded',
  'refunded',
] as const;

/** Body that charges an order. */
export const newCharge = z.strictObject({
  user_id: uuid(),
  amount: positiveAmount(),
  currency: currency(),
  method: z.enum(PAYMENT_METHODS),
  /** What the provider gets to know; `{"simulate": "decline"}` makes it decline. */
  details: jsonObject().default({}),
});

/** Body that changes what is noted beside a payment. */
export const paymentChange = changeOf({ details: jsonObject() });

/** Body that refunds a payment: the amount, or all that is left of it. */
export const newRefund = z.strictObject({
  amount: positiveAmount().optional(),
  reason: text(500).nullable().default(null),
});

/** An order to charge. */
export type NewCharge = z.output<typeof newCharge>;
/** Fields of a payment to change. */
export type PaymentChange = z.output<typeof paymentChange>;
/** A refund to make. */
export type NewRefund = z.output<typeof newRefund>;

/** A row of `payments`, as the API shows it. */
export const paymentShape = z.object({
  id: z.string(),
  order_id: z.string(),
  user_id: z.string(),
  amount: z.string(),
  refunded_amount: z.string(),
  currency: z.string(),
  method: z.enum(PAYMENT_METHODS),
  status: z.enum(PAYMENT_STATUSES),
  provider_ref: z.string().nullable(),
  failure_reason: z.string().nullable(),
  details: z.record(z.string(), z.unknown()),
  captured_at: z.iso.datetime().nullable(),
  version: z.int(),
  created_at: z.iso.datetime(),
  updated_at: z.iso.datetime(),
});
/** See {@link paymentShape}. */
export type Payment = z.output<typeof paymentShape>;

/** A row of `refunds`, as the API shows it. */
export const refundShape = z.object({
  id: z.string(),
  payment_id: z.string(),
  amount: z.string(),
  reason: z.string().nullable(),
  created_at: z.iso.datetime(),
});
/** See {@link refundShape}. */
export type Refund = z.output<typeof refundShape>;
