import { z } from 'zod';
import { on, type Subscription } from '#events/consume-events.ts';
import type { Queryable } from '#runtime/service/database.ts';

const user = { user_id: z.guid(), version: z.int() };
const order = { order_id: z.guid(), version: z.int(), status: z.string() };
const payment = { order_id: z.guid(), payment_id: z.string(), version: z.int() };
const placed = z.object({
  ...order,
  order_number: z.string(),
  user_id: z.guid(),
  currency: z.string(),
  total: z.string(),
  placed_at: z.string(),
  lines: z.array(z.looseObject({ product_name: z.string() })),
});
const charged = z.object({ ...payment, method: z.string() });

/**
 * How events become the read model, in the tables of one generation. Events about one order come
 * from several topics, in any order: each writes its own columns, unless they have a newer version,
 * and whichever comes first makes the row.
 */
export function projection(schema: string): Subscription[] {
  const keepUser = async (
    transaction: Queryable,
    { user_id, version }: { user_id: string; version: number },
    field: 'name' | 'email',
    value: string | null,
  ) => {
    const rows = await transaction.query(
      `INSERT INTO ${schema}.users (user_id, ${field}, ${field}_version) VALUES ($1, $2, $3)
       ON CONFLICT (user_id) DO UPDATE SET ${field} = excluded.${field},
         ${field}_version = excluded.${field}_version
       WHERE users.${field}_version < excluded.${field}_version RETURNING user_id`,
      [user_id, value, version],
    );
    if (rows.length === 0) return;
    await transaction.query(`UPDATE ${schema}.orders SET user_${field} = $2 WHERE user_id = $1`, [
      user_id,
      value,
    ]);
  };
  const keepStatus = async (
    transaction: Queryable,
    { order_id, version, status }: z.output<z.ZodObject<typeof order>>,
    changedAt: string,
    reason: string | null,
  ) =>
    transaction.query(
      `INSERT INTO ${schema}.orders (order_id, status, status_version, status_changed_at, reason)
       VALUES ($1, $2, $3, $4, $5)
       ON CONFLICT (order_id) DO UPDATE SET status = excluded.status, reason = excluded.reason,
         status_version = excluded.status_version, status_changed_at = excluded.status_changed_at
       WHERE orders.status_version < excluded.status_version`,
      [order_id, status, version, changedAt, reason],
    );
  const keepPayment = async (
    transaction: Queryable,
    { order_id, payment_id, version }: z.output<z.ZodObject<typeof payment>>,
    status: string,
    refunded: string | null,
  ) =>
    transaction.query(
      `INSERT INTO ${schema}.orders (order_id, payment_id, payment_version, payment_status,
         refunded_amount)
       VALUES ($1, $2, $3, $4, $5)
       ON CONFLICT (order_id) DO UPDATE SET payment_id = excluded.payment_id,
         payment_version = excluded.payment_version, payment_status = excluded.payment_status,
         refunded_amount = excluded.refunded_amount
       WHERE orders.payment_version < excluded.payment_version`,
      [order_id, payment_id, version, status, refunded],
    );
  const keepMethod = async (
    transaction: Queryable,
    { order_id, method }: z.output<typeof charged>,
  ) =>
    transaction.query(
      `INSERT INTO ${schema}.orders (order_id, payment_method) VALUES ($1, $2)
       ON CONFLICT (order_id) DO UPDATE SET payment_method = excluded.payment_method`,
      [order_id, method],
    );

  return [
    on(
      'users',
      'UserRegistered',
      z.object({ ...user, name: z.string(), email: z.string() }),
      async ({ payload }, transaction) => {
        await keepUser(transaction, payload, 'name', payload.name);
        await keepUser(transaction, payload, 'email', payload.email);
      },
    ),
    on(
      'users',
      'UserNameChanged',
      z.object({ ...user, name: z.string() }),
      async ({ payload }, transaction) => keepUser(transaction, payload, 'name', payload.name),
    ),
    on(
      'users',
      'UserEmailChanged',
      z.object({ ...user, email: z.string() }),
      async ({ payload }, transaction) => keepUser(transaction, payload, 'email', payload.email),
    ),
    on('users', 'UserDeleted', z.object(user), async ({ payload }, transaction) => {
      await keepUser(transaction, payload, 'name', null);
      await keepUser(transaction, payload, 'email', null);
    }),
    on('orders', 'OrderPlaced', placed, async ({ payload }, transaction) => {
      // Locks the user: a change of the name waits, and then finds this order.
      const [buyer] = await transaction.query<{ name: string | null; email: string | null }>(
        `INSERT INTO ${schema}.users (user_id) VALUES ($1)
         ON CONFLICT (user_id) DO UPDATE SET user_id = excluded.user_id RETURNING name, email`,
        [payload.user_id],
      );
      await keepStatus(transaction, payload, payload.placed_at, null);
      await transaction.query(
        `UPDATE ${schema}.orders SET placed_at = $2, order_number = $3, user_id = $4,
           currency = $5, total = $6, lines = $7, product_names = $8, user_name = $9,
           user_email = $10
         WHERE order_id = $1`,
        [
          payload.order_id,
          payload.placed_at,
          payload.order_number,
          payload.user_id,
          payload.currency,
          payload.total,
          JSON.stringify(payload.lines),
          payload.lines.map(({ product_name: name }) => name).join(' '),
          buyer?.name ?? null,
          buyer?.email ?? null,
        ],
      );
    }),
    on(
      'orders',
      'OrderStatusChanged',
      z.object({ ...order, reason: z.string().nullable(), changed_at: z.string() }),
      async ({ payload }, transaction) => {
        await keepStatus(transaction, payload, payload.changed_at, payload.reason);
      },
    ),
    on('payments', 'PaymentCaptured', charged, async ({ payload }, transaction) => {
      await keepPayment(transaction, payload, 'captured', '0.00');
      await keepMethod(transaction, payload);
    }),
    on('payments', 'PaymentFailed', charged, async ({ payload }, transaction) => {
      await keepPayment(transaction, payload, 'failed', null);
      await keepMethod(transaction, payload);
    }),
    on(
      'payments',
      'PaymentRefunded',
      z.object({ ...payment, refunded_amount: z.string(), in_full: z.boolean() }),
      async ({ payload }, transaction) => {
        const status = payload.in_full ? 'refunded' : 'partially_refunded';
        await keepPayment(transaction, payload, status, payload.refunded_amount);
      },
    ),
  ];
}
