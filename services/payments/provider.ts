import { randomUUID } from 'node:crypto';
import type { Payment } from './payment.ts';

/** What the payment provider said to a charge. */
export type ProviderAnswer =
  | { readonly outcome: 'captured'; readonly reference: string }
  | { readonly outcome: 'declined'; readonly reason: string };

/** Stands in for a payment provider: takes every charge but those that ask to be declined. */
export async function chargeAtProvider(payment: Payment): Promise<ProviderAnswer> {
  if (payment.details['simulate'] === 'decline') {
    return { outcome: 'declined', reason: 'insufficient funds' };
  }
  return { outcome: 'captured', reference: `ch_${randomUUID().replaceAll('-', '')}` };
}
