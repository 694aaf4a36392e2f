import { z } from 'zod';
import { eventKind, newEvent, type NewEvent } from '#events/event-kind.ts';
import { ORDER_STATUSES } from './order-status.ts';
import type { Order, OrderRow } from './order.ts';

const common = {
  order_id: z.guid(),
  /** The order's version after the change. */
  version: z.int(),
  status: z.enum(ORDER_STATUSES),
};

/** The events that orders publishes. */
export const EVENTS = {
  placed: eventKind({
    type: 'OrderPlaced',
    aggregate: 'order',
    summary: 'Somebody ordered; stock and money are still to come.',
    payload: z.strictObject({
      ...common,
      order_number: z.string(),
      user_id: z.guid(),
      currency: z.string(),
      total: z.string(),
      placed_at: z.string(),
      lines: z.array(
        z.strictObject({
          line_no: z.int(),
          product_id: z.guid(),
          product_name: z.string(),
          unit_price: z.string(),
          quantity: z.int(),
          line_total: z.string(),
        }),
      ),
    }),
  }),
  statusChanged: eventKind({
    type: 'OrderStatusChanged',
    aggregate: 'order',
    summary: 'An order was paid, shipped, cancelled or refunded.',
    payload: z.strictObject({
      ...common,
      payment_id: z.string().nullable(),
      reason: z.string().nullable(),
      changed_at: z.string(),
    }),
  }),
};

/** An order was placed. */
export function placed(order: Order): NewEvent {
  const { id, version, status, order_number, user_id, currency, total, placed_at } = order;
  return newEvent(EVENTS.placed, id, {
    order_id: id,
    version,
    status,
    order_number,
    user_id,
    currency,
    total,
    placed_at,
    lines: order.lines.map(
      ({ line_no, product_id, product_name, unit_price, quantity, line_total }) => ({
        line_no,
        product_id,
        product_name,
        unit_price,
        quantity,
        line_total,
      }),
    ),
  });
}

/** An order has a new status. */
export function statusChanged(order: OrderRow): NewEvent {
  const { id, version, status, payment_id, cancel_reason, updated_at } = order;
  return newEvent(EVENTS.statusChanged, id, {
    order_id: id,
    version,
    status,
    payment_id,
    reason: cancel_reason,
    changed_at: updated_at,
  });
}
