import type { Payment } from './payment.ts';

/** What the payment provider said to a charge. */
export type ProviderAnswer =
  | { readonly outcome: 'captured'; readonly reference: string }
  | { readonly outcome: 'declined'; readonly reason: string };

/**
 * Stands in for a payment provider: takes every charge but those that ask to be declined. Asked
 * again about a payment it gives the same answer, as providers do by idempotency key.
 */
export async function chargeAtProvider(payment: Payment): Promise<ProviderAnswer> {
  if (payment.details['simulate'] === 'decline') {
    return { outcome: 'declined', reason: 'insufficient funds' };
  }
  return { outcome: 'captured', reference: `ch_${payment.order_id.replaceAll('-', '')}` };
}
