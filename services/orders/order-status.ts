/** States of an order. */
export const ORDER_STATUSES = ['pending', 'paid', 'shipped', 'cancelled', 'refunded'] as const;

/** State of an order. */
export type OrderStatus = (typeof ORDER_STATUSES)[number];

/** What can happen to an order after it was placed. */
export type OrderEvent = 'pay' | 'ship' | 'cancel' | 'refund';

/**
 * Where each event leads, from which states:
 *
 * pending --pay--> paid --ship--> shipped
 * pending --cancel--> cancelled; paid, shipped --refund--> refunded
 */
export const TRANSITIONS = {
  pay: { from: ['pending'], to: 'paid' },
  ship: { from: ['paid'], to: 'shipped' },
  cancel: { from: ['pending'], to: 'cancelled' },
  refund: { from: ['paid', 'shipped'], to: 'refunded' },
} as const satisfies Record<OrderEvent, { from: readonly OrderStatus[]; to: OrderStatus }>;
