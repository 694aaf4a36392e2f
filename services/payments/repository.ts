import { publish } from '#events/outbox.ts';
import type { Database, Queryable } from '#runtime/service/database.ts';
import { violates } from '#runtime/service/database-error.ts';
import { assignments, changedRow } from '#runtime/service/patch.ts';
import { notFound, Problem } from '#runtime/service/problem.ts';
import { refunded, settled } from './events.ts';
import type { NewCharge, NewRefund, Payment, PaymentChange, Refund } from './payment.ts';
import type { ProviderAnswer } from './provider.ts';

const PAYMENT = `id, order_id, user_id, amount, refunded_amount, currency, method, status,
  provider_ref, failure_reason, details, captured_at, version, created_at, updated_at`;
const REFUND = 'id, payment_id, amount, reason, created_at';

/** The SQL of payments and refunds. */
export class PaymentRepository {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /**
   * Begins a charge, or answers the one that was begun, whatever became of it.
   *
   * @throws Problem `conflict` when the order was given up
   */
  async begin(orderId: string, charge: NewCharge): Promise<Payment> {
    return this.#database.transaction(async (transaction) => {
      await lockOrder(transaction, orderId);
      const voided = await transaction.query('SELECT FROM voided_orders WHERE order_id = $1', [
        orderId,
      ]);
      if (voided.length > 0) throw givenUp();
      const existing = await ofOrder(transaction, orderId);
      if (existing !== undefined) return existing;
      const [row] = await transaction.query<Payment>(
        `INSERT INTO payments (order_id, user_id, amount, currency, method, details)
         VALUES ($1, $2, $3, $4, $5, $6) RETURNING ${PAYMENT}`,
        [
          orderId,
          charge.user_id,
          charge.amount,
          charge.currency,
          charge.method,
          JSON.stringify(charge.details),
        ],
      );
      if (row === undefined) throw new Error('INSERT returned no row');
      return row;
    });
  }

  /** Refuses charges of an order from now on; resolves with the one that was begun before. */
  async void(orderId: string): Promise<Payment | undefined> {
    return this.#database.transaction(async (transaction) => {
      await lockOrder(transaction, orderId);
      await transaction.query(
        'INSERT INTO voided_orders (order_id) VALUES ($1) ON CONFLICT DO NOTHING',
        [orderId],
      );
      return ofOrder(transaction, orderId);
    });
  }

  /** Keeps what the provider said; the first answer counts. */
  async settle(id: string, answer: ProviderAnswer): Promise<Payment> {
    return this.#database.transaction(async (transaction) => {
      const [row] = await transaction.query<Payment>(
        `UPDATE payments SET status = $2::payment_status, provider_ref = $3, failure_reason = $4,
           captured_at = CASE WHEN $2::payment_status = 'captured' THEN now() END,
           version = version + 1, updated_at = now()
         WHERE id = $1 AND status = 'authorized' RETURNING ${PAYMENT}`,
        [
          id,
          answer.outcome === 'captured' ? 'captured' : 'failed',
          answer.outcome === 'captured' ? answer.reference : null,
          answer.outcome === 'declined' ? answer.reason : null,
        ],
      );
      if (row !== undefined) {
        await publish(transaction, settled(row));
        return row;
      }
      const payment = await this.find(id);
      if (payment === undefined) throw notFound('payment');
      return payment;
    });
  }

  /** The payment, or undefined. */
  async find(id: string): Promise<Payment | undefined> {
    const [row] = await this.findMany([id]);
    return row;
  }

  /** Those of the payments that exist, in no particular order. */
  async findMany(ids: readonly string[]): Promise<Payment[]> {
    return this.#database.query<Payment>(`SELECT ${PAYMENT} FROM payments WHERE id = ANY ($1)`, [
      ids,
    ]);
  }

  /** Up to `count` payments, newest first, before the given one, of one order or of all. */
  async list(
    orderId: string | undefined,
    before: string | null,
    count: number,
  ): Promise<Payment[]> {
    return this.#database.query<Payment>(
      `SELECT ${PAYMENT} FROM payments
       WHERE ($1::uuid IS NULL OR order_id = $1) AND ($2::bigint IS NULL OR id < $2)
       ORDER BY id DESC LIMIT $3`,
      [orderId ?? null, before, count],
    );
  }

  /** @throws Problem `not-found` or `version-mismatch` */
  async change(id: string, change: PaymentChange, ifMatch: number | undefined): Promise<Payment> {
    const { sql, values } = assignments(change, 3);
    const rows = await this.#database.query<Payment>(
      `UPDATE payments SET ${sql}, version = version + 1, updated_at = now()
       WHERE id = $1 AND ($2::integer IS NULL OR version = $2) RETURNING ${PAYMENT}`,
      [id, ifMatch ?? null, ...values],
    );
    return changedRow(rows, rows.length > 0 ? undefined : await this.find(id), 'payment');
  }

  /**
   * Gives money back: the amount asked for, or all that is left; nothing when all is back already.
   *
   * @throws Problem `not-found`, or `conflict` when it was not captured or less than that is left
   */
  async refund(id: string, refund: NewRefund): Promise<Payment> {
    try {
      return await this.#database.transaction(async (transaction) => {
        const [before] = await transaction.query<Payment>(
          `SELECT ${PAYMENT} FROM payments WHERE id = $1 FOR UPDATE`,
          [id],
        );
        if (before === undefined) throw notFound('payment');
        if (before.status === 'refunded' && refund.amount === undefined) return before;
        if (before.status === 'authorized' || before.status === 'failed') {
          throw new Problem('conflict', 'There is nothing to refund: no money was taken.');
        }
        const [after] = await transaction.query<Payment>(
          `UPDATE payments SET
             refunded_amount = coalesce(refunded_amount + $2::numeric, amount),
             status = (CASE WHEN coalesce(refunded_amount + $2::numeric, amount) = amount
               THEN 'refunded' ELSE 'partially_refunded' END)::payment_status,
             version = version + 1, updated_at = now()
           WHERE id = $1 RETURNING ${PAYMENT}`,
          [id, refund.amount ?? null],
        );
        if (after === undefined) throw new Error('UPDATE of a locked row returned none');
        await transaction.query(
          `INSERT INTO refunds (payment_id, amount, reason)
           VALUES ($1, $2::numeric - $3::numeric, $4)`,
          [id, after.refunded_amount, before.refunded_amount, refund.reason],
        );
        await publish(transaction, refunded(after));
        return after;
      });
    } catch (error) {
      throw violates(error, 'payments_refunded_check')
        ? new Problem('conflict', 'Less than that is left to refund.', { cause: error })
        : error;
    }
  }

  /** Up to `count` refunds of a payment, oldest first, after the given one. */
  async refunds(paymentId: string, after: string | null, count: number): Promise<Refund[]> {
    return this.#database.query<Refund>(
      `SELECT ${REFUND} FROM refunds
       WHERE payment_id = $1 AND ($2::bigint IS NULL OR id > $2) ORDER BY id LIMIT $3`,
      [paymentId, after, count],
    );
  }
}

/** Makes charging and giving up one order wait for one another. */
async function lockOrder(transaction: Queryable, orderId: string): Promise<void> {
  await transaction.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [orderId]);
}

async function ofOrder(transaction: Queryable, orderId: string): Promise<Payment | undefined> {
  const [payment] = await transaction.query<Payment>(
    `SELECT ${PAYMENT} FROM payments WHERE order_id = $1 ORDER BY id DESC LIMIT 1`,
    [orderId],
  );
  return payment;
}

/** The answer to a charge that comes too late. */
export function givenUp(): Problem {
  return new Problem('conflict', 'This order was given up; it is not charged any more.');
}
