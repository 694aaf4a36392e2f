import { Problem } from '#runtime/service/problem.ts';
import type { NewCharge, Payment } from './payment.ts';
import { chargeAtProvider } from './provider.ts';
import { givenUp, type PaymentRepository } from './repository.ts';

/**
 * Charges an order. Repeating it goes on where the last try ended: an order is charged once, and one
 * that was declined stays so.
 *
 * @throws Problem `payment-declined`, or `conflict` when the order was given up
 */
export async function chargeOrder(
  orderId: string,
  charge: NewCharge,
  payments: PaymentRepository,
): Promise<Payment> {
  const payment = await settle(await payments.begin(orderId, charge), payments);
  if (payment.status === 'failed') {
    throw new Problem('payment-declined', 'The provider declined the charge.', {
      extras: { payment_id: payment.id },
    });
  }
  // It was given up while the provider was asked.
  if (payment.status === 'refunded') throw givenUp();
  return payment;
}

/**
 * Gives an order up: what was taken goes back, and a charge that comes later is refused. May be
 * repeated.
 *
 * @returns the payment, if there was one
 */
export async function voidCharge(
  orderId: string,
  payments: PaymentRepository,
): Promise<Payment | undefined> {
  const begun = await payments.void(orderId);
  if (begun === undefined) return undefined;
  // Only the provider knows what became of a charge that was not answered; it is asked again.
  const payment = await settle(begun, payments);
  if (payment.status === 'failed') return payment;
  return payments.refund(payment.id, { amount: undefined, reason: 'the order was given up' });
}

async function settle(payment: Payment, payments: PaymentRepository): Promise<Payment> {
  if (payment.status !== 'authorized') return payment;
  return payments.settle(payment.id, await chargeAtProvider(payment));
}
