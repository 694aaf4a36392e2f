import { z } from 'zod';
import type { Peer } from '#runtime/service/peer.ts';
import { Problem } from '#runtime/service/problem.ts';
import type { NewPayment, Payment } from './payment.ts';
import { chargeAtProvider } from './provider.ts';
import type { PaymentRepository } from './repository.ts';

const orderShape = z.object({
  user_id: z.string(),
  total: z.string(),
  currency: z.string(),
  status: z.string(),
});

/** What charging needs. */
export interface ChargeContext {
  readonly payments: PaymentRepository;
  readonly orders: Peer;
  readonly signal: AbortSignal;
}

/**
 * Charges an order and tells the orders service. Repeating it goes on where the last try ended:
 * an order is charged once.
 *
 * @throws Problem `payment-declined`, `rule-violated`, `conflict`, or `dependency-unavailable`
 */
export async function chargeOrder(
  request: NewPayment,
  { payments, orders, signal }: ChargeContext,
): Promise<Payment> {
  const begun = (await payments.findLive(request.order_id)) ?? (await begin());
  const payment =
    begun.status === 'authorized'
      ? await payments.settle(begun.id, await chargeAtProvider(begun))
      : begun;
  if (payment.status === 'failed') {
    throw new Problem('payment-declined', 'The provider declined the charge.', {
      extras: { payment_id: payment.id },
    });
  }
  if (payment.status !== 'captured') return payment;
  const answer = await orders.change('PUT', {
    path: `/orders/${payment.order_id}/payment`,
    body: { payment_id: payment.id },
    signal,
  });
  if (answer.status === 200) return payment;
  if (answer.status !== 404 && answer.status !== 409) {
    throw new Error(`orders refused a payment notice with ${answer.status}`);
  }
  await payments.refund(payment.id, {
    amount: undefined,
    reason: 'the order was closed while it was being charged',
  });
  throw new Problem('conflict', 'The order is no longer open; the charge was refunded.', {
    extras: { payment_id: payment.id },
  });

  async function begin(): Promise<Payment> {
    const order = await orders.get(orderShape, { path: `/orders/${request.order_id}`, signal });
    if (order === undefined) throw new Problem('rule-violated', 'There is no such order.');
    if (order.status !== 'pending') {
      throw new Problem('conflict', `An order that is ${order.status} is not charged.`);
    }
    return payments.create(request, {
      userId: order.user_id,
      amount: order.total,
      currency: order.currency,
    });
  }
}

/** Tells the orders service that all of an order's money went back. */
export async function reportRefund(
  payment: Payment,
  { orders, signal }: Omit<ChargeContext, 'payments'>,
): Promise<void> {
  if (payment.status !== 'refunded') return;
  const { status } = await orders.change('PUT', {
    path: `/orders/${payment.order_id}/refund`,
    body: { payment_id: payment.id },
    signal,
  });
  // A cancelled order whose late charge was refunded is closed already: nothing to tell it.
  if (status === 200 || status === 409) return;
  throw new Problem('conflict', 'The money is back, but the order could not be marked.');
}
