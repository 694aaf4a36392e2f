import { z } from 'zod';
import { on, type Subscription } from '#events/consume-events.ts';
import { eraseBuyer, forgetBuyer, keepBuyerField } from './buyers.ts';
import { orderRefunded } from './repository.ts';

const user = { user_id: z.guid(), version: z.int() };

/** What orders does with the events of other services. */
export const SUBSCRIPTIONS: readonly Subscription[] = [
  on(
    'users',
    'UserRegistered',
    z.object({ ...user, name: z.string(), email: z.string(), status: z.string() }),
    async ({ payload }, transaction) => {
      for (const field of ['name', 'email', 'status'] as const) {
        await keepBuyerField(transaction, payload.user_id, field, payload[field], payload.version);
      }
    },
  ),
  on(
    'users',
    'UserNameChanged',
    z.object({ ...user, name: z.string() }),
    async ({ payload: { user_id, name, version } }, transaction) =>
      keepBuyerField(transaction, user_id, 'name', name, version),
  ),
  on(
    'users',
    'UserEmailChanged',
    z.object({ ...user, email: z.string() }),
    async ({ payload: { user_id, email, version } }, transaction) =>
      keepBuyerField(transaction, user_id, 'email', email, version),
  ),
  on(
    'users',
    'UserStatusChanged',
    z.object({ ...user, status: z.string() }),
    async ({ payload: { user_id, status, version } }, transaction) =>
      keepBuyerField(transaction, user_id, 'status', status, version),
  ),
  on('users', 'UserDeleted', z.object(user), async ({ payload }, transaction) =>
    forgetBuyer(transaction, payload.user_id),
  ),
  on('users', 'UserErased', z.object(user), async ({ payload }, transaction) =>
    eraseBuyer(transaction, payload.user_id, payload.version),
  ),
  on(
    'payments',
    'PaymentRefunded',
    z.object({ order_id: z.guid(), payment_id: z.string(), in_full: z.boolean() }),
    async ({ payload: { order_id, payment_id, in_full } }, transaction) => {
      if (in_full) await orderRefunded(transaction, order_id, payment_id);
    },
  ),
];
