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
export interface Payment {
  readonly id: string;
  readonly order_id: string;
  readonly user_id: string;
  readonly amount: string;
  readonly refunded_amount: string;
  readonly currency: string;
  readonly method: (typeof PAYMENT_METHODS)[number];
  readonly status: (typeof PAYMENT_STATUSES)[number];
  readonly provider_ref: string | null;
  readonly failure_reason: string | null;
  readonly details: Record<string, unknown>;
  readonly captured_at: string | null;
  readonly version: number;
  readonly created_at: string;
  readonly updated_at: string;
}

/** A row of `refunds`, as the API shows it. */
export interface Refund {
  readonly id: string;
  readonly payment_id: string;
  readonly amount: string;
  readonly reason: string | null;
  readonly created_at: string;
}
