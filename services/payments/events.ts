import { z } from 'zod';
import { eventKind, newEvent, type NewEvent } from '#events/event-kind.ts';
import { PAYMENT_METHODS, type Payment } from './payment.ts';

const common = {
  /** A bigint as text. */
  payment_id: z.string(),
  order_id: z.guid(),
  /** The payment's version after the change. */
  version: z.int(),
  currency: z.string(),
};

/** The events that payments publishes. */
export const EVENTS = {
  captured: eventKind({
    type: 'PaymentCaptured',
    aggregate: 'payment',
    summary: 'The money of an order was taken.',
    payload: z.strictObject({ ...common, amount: z.string(), method: z.enum(PAYMENT_METHODS) }),
  }),
  failed: eventKind({
    type: 'PaymentFailed',
    aggregate: 'payment',
    summary: 'The provider declined a charge.',
    payload: z.strictObject({ ...common, amount: z.string(), method: z.enum(PAYMENT_METHODS) }),
  }),
  refunded: eventKind({
    type: 'PaymentRefunded',
    aggregate: 'payment',
    summary: 'Money of an order went back, in part or what was left of it.',
    payload: z.strictObject({
      ...common,
      /** All that has gone back so far. */
      refunded_amount: z.string(),
      /** Whether nothing is left. */
      in_full: z.boolean(),
    }),
  }),
};

/** The provider has answered a charge. */
export function settled(payment: Payment): NewEvent {
  const { id, order_id, version, currency, amount, method, status } = payment;
  const kind = status === 'failed' ? EVENTS.failed : EVENTS.captured;
  return newEvent(kind, id, { payment_id: id, order_id, version, currency, amount, method });
}

/** Money has gone back. */
export function refunded({
  id,
  order_id,
  version,
  currency,
  refunded_amount,
  status,
}: Payment): NewEvent {
  return newEvent(EVENTS.refunded, id, {
    payment_id: id,
    order_id,
    version,
    currency,
    refunded_amount,
    in_full: status === 'refunded',
  });
}
