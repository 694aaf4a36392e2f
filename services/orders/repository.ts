import { publish } from '#events/outbox.ts';
import type { Database, Queryable } from '#runtime/service/database.ts';
import { violates } from '#runtime/service/database-error.ts';
import { assignments, changedRow } from '#runtime/service/patch.ts';
import { notFound, Problem } from '#runtime/service/problem.ts';
import { mergeBuyer, type Buyer } from './buyers.ts';
import { placed, statusChanged } from './events.ts';
import { startSaga, turnBack } from './saga/start-saga.ts';
import { TRANSITIONS, type OrderEvent, type OrderStatus } from './order-status.ts';
import type { NewOrder, Order, OrderChange, OrderLine, OrderRow } from './order.ts';

const ORDER = `id, order_number, user_id, user_name, user_email, status, total, currency, gift, note,
  coupon_codes, shipping_address, requested_delivery, buyer_stale, payment_id, placed_at, paid_at,
  closed_at, cancel_reason, version, created_at, updated_at`;
const LINE = `order_id, line_no, product_id, product_name, unit_price, quantity, line_total`;

/** What an order takes over from other services when it is placed. */
export interface PlacementCopies {
  /** As users answered just now, or nothing when it did not answer. */
  readonly buyer: Buyer | undefined;
  readonly currency: string;
  /** One entry a line, in the order of the lines. */
  readonly products: readonly { readonly name: string; readonly price: string }[];
}

/** How the saga of a new order begins. */
export interface PlacementSaga {
  readonly payment: Readonly<Record<string, unknown>>;
  readonly deadlineSeconds: number;
}

/** The SQL of orders and their lines. */
export class OrderRepository {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /**
   * Stores a placed order with its lines, its saga and its event; the sums are PostgreSQL's.
   *
   * @throws Problem `conflict` when the id is taken, `rule-violated` when the buyer may not order, and
   *   `dependency-unavailable` when users did not answer and there is no copy of the buyer
   */
  async create(
    id: string,
    order: NewOrder,
    copies: PlacementCopies,
    saga: PlacementSaga,
  ): Promise<Order> {
    const prices = copies.products.map((product) => product.price);
    const quantities = order.lines.map((line) => line.quantity);
    try {
      return await this.#database.transaction(async (transaction) => {
        const buyer = await mergeBuyer(transaction, order.user_id, copies.buyer);
        const [row] = await transaction.query<OrderRow>(
          `INSERT INTO orders (id, user_id, user_name, user_name_version, user_email,
             user_email_version, buyer_stale, currency, gift, note, coupon_codes,
             shipping_address, requested_delivery, total)
           SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13,
             sum(line.price * line.quantity)
           FROM unnest($14::numeric[], $15::integer[]) AS line (price, quantity)
           RETURNING ${ORDER}`,
          [
            id,
            order.user_id,
            buyer.name,
            buyer.name_version,
            buyer.email,
            buyer.email_version,
            copies.buyer === undefined,
            copies.currency,
            order.gift,
            order.note,
            order.coupon_codes,
            order.shipping_address === null ? null : JSON.stringify(order.shipping_address),
            order.requested_delivery,
            prices,
            quantities,
          ],
        );
        if (row === undefined) throw new Error('INSERT returned no row');
        const lines = await transaction.query<OrderLine>(
          `INSERT INTO order_lines (order_id, line_no, product_id, product_name, unit_price,
             quantity, line_total)
           SELECT $1, line.no, line.product_id, line.name, line.price, line.quantity,
             line.price * line.quantity
           FROM unnest($2::uuid[], $3::text[], $4::numeric[], $5::integer[]) WITH ORDINALITY
             AS line (product_id, name, price, quantity, no)
           RETURNING ${LINE}`,
          [
            id,
            order.lines.map((line) => line.product_id),
            copies.products.map((product) => product.name),
            prices,
            quantities,
          ],
        );
        const created = { ...row, lines };
        await startSaga(transaction, {
          orderId: id,
          kind: 'place-order',
          input: saga.payment,
          deadlineSeconds: saga.deadlineSeconds,
        });
        await publish(transaction, placed(created));
        return created;
      });
    } catch (error) {
      throw violates(error, 'orders_pkey')
        ? new Problem('conflict', 'There is an order with this id already.', { cause: error })
        : error;
    }
  }

  /** The order, or undefined. */
  async find(id: string): Promise<Order | undefined> {
    const [order] = await this.findMany([id]);
    return order;
  }

  /** Those of the orders that exist, in no particular order. */
  async findMany(ids: readonly string[]): Promise<Order[]> {
    const rows = await this.#database.query<OrderRow>(
      `SELECT ${ORDER} FROM orders WHERE id = ANY ($1)`,
      [ids],
    );
    return withLines(this.#database, rows);
  }

  /** Up to `count` orders, newest first, older than the given place. */
  async list(
    filter: { userId: string | undefined; status: OrderStatus | undefined },
    placedAt: string | null,
    id: string | null,
    count: number,
  ): Promise<Order[]> {
    const rows = await this.#database.query<OrderRow>(
      `SELECT ${ORDER} FROM orders
       WHERE ($1::timestamptz IS NULL OR (placed_at, id) < ($1, $2::uuid))
         AND ($3::uuid IS NULL OR user_id = $3) AND ($4::order_status IS NULL OR status = $4)
       ORDER BY placed_at DESC, id DESC LIMIT $5`,
      [placedAt, id, filter.userId ?? null, filter.status ?? null, count],
    );
    return withLines(this.#database, rows);
  }

  /** @throws Problem `not-found`, `version-mismatch`, or `conflict` for an order that is closed */
  async change(id: string, change: OrderChange, ifMatch: number | undefined): Promise<Order> {
    return this.#database.transaction(async (transaction) => {
      const current = await lock(transaction, id);
      if (current !== undefined && current.status !== 'pending' && current.status !== 'paid') {
        throw new Problem('conflict', `An order that is ${current.status} stays as it is.`);
      }
      const { sql, values } = assignments(change, 3);
      const rows = await transaction.query<OrderRow>(
        `UPDATE orders SET ${sql}, version = version + 1, updated_at = now()
         WHERE id = $1 AND ($2::integer IS NULL OR version = $2) RETURNING ${ORDER}`,
        [id, ifMatch ?? null, ...values],
      );
      return withLinesOf(transaction, changedRow(rows, current, 'order'));
    });
  }

  /**
   * Ships a paid order: it is shipped from here on, and a saga sees to it that inventory knows.
   * Nothing changes for one that was shipped before.
   *
   * @throws Problem `not-found`, or `conflict` when it is not paid or is being turned back
   */
  async ship(id: string): Promise<Order> {
    return this.#database.transaction(async (transaction) => {
      const current = await lock(transaction, id);
      if (current === undefined) throw notFound('order');
      if (current.status === 'shipped') return withLinesOf(transaction, current);
      const turned = await transaction.query(
        `SELECT FROM sagas WHERE order_id = $1 AND kind = 'place-order' AND state <> 'completed'`,
        [id],
      );
      if (current.status === 'paid' && turned.length > 0) {
        throw new Problem('conflict', 'An order that is being cancelled is not shipped.');
      }
      const row = await moveTo(transaction, current, 'ship', {});
      await startSaga(transaction, { orderId: id, kind: 'ship-order' });
      return withLinesOf(transaction, row);
    });
  }

  /**
   * Begins to turn an order back that is not shipped; it is cancelled, or refunded when it was paid,
   * once stock and money are back.
   *
   * @throws Problem `not-found`, or `conflict` when it is shipped
   */
  async cancel(id: string, reason: string | null): Promise<Order> {
    return this.#database.transaction(async (transaction) => {
      const current = await lock(transaction, id);
      if (current === undefined) throw notFound('order');
      if (current.status === 'shipped') {
        throw new Problem('conflict', 'An order that is shipped cannot be cancelled.', {
          extras: { order_status: current.status },
        });
      }
      await turnBack(transaction, id, reason ?? 'the customer cancelled');
      return withLinesOf(transaction, current);
    });
  }
}

/** A payment of an order was refunded in full: stock that was not shipped goes back, too. */
export async function orderRefunded(
  transaction: Queryable,
  orderId: string,
  paymentId: string,
): Promise<void> {
  const current = await lock(transaction, orderId);
  if (current === undefined) return;
  if (current.status === 'pending' || current.status === 'paid') {
    await turnBack(transaction, orderId, 'the payment was refunded');
  } else if (current.status === 'shipped' && current.payment_id === paymentId) {
    await moveTo(transaction, current, 'refund', {});
  }
}

/** In the transaction that ends the saga: stock is held, the money is there. */
export async function confirmOrder(
  transaction: Queryable,
  id: string,
  paymentId: string,
): Promise<void> {
  const current = await lock(transaction, id);
  if (current !== undefined) await moveTo(transaction, current, 'pay', { paymentId });
}

/** In the transaction that ends the saga: stock and money are back. */
export async function giveOrderUp(
  transaction: Queryable,
  id: string,
  reason: string | null,
): Promise<void> {
  const current = await lock(transaction, id);
  if (current === undefined) return;
  await moveTo(transaction, current, current.status === 'paid' ? 'refund' : 'cancel', { reason });
}

/** @throws Problem `conflict` when the order's state does not allow the event */
async function moveTo(
  transaction: Queryable,
  current: OrderRow,
  event: OrderEvent,
  facts: { paymentId?: string; reason?: string | null },
): Promise<OrderRow> {
  const { from, to } = TRANSITIONS[event];
  if (!(from as readonly OrderStatus[]).includes(current.status)) {
    throw new Problem('conflict', `An order that is ${current.status} cannot become ${to}.`, {
      extras: { order_status: current.status },
    });
  }
  const [row] = await transaction.query<OrderRow>(
    `UPDATE orders SET status = $2::order_status, payment_id = coalesce($3, payment_id),
       paid_at = CASE WHEN $2 = 'paid' THEN now() ELSE paid_at END,
       closed_at = CASE WHEN $2 IN ('shipped', 'cancelled', 'refunded') THEN now()
         ELSE closed_at END,
       cancel_reason = coalesce($4, cancel_reason),
       version = version + 1, updated_at = now()
     WHERE id = $1 RETURNING ${ORDER}`,
    [current.id, to, facts.paymentId ?? null, facts.reason ?? null],
  );
  if (row === undefined) throw new Error('UPDATE of a locked row returned none');
  await publish(transaction, statusChanged(row));
  return row;
}

async function lock(transaction: Queryable, id: string): Promise<OrderRow | undefined> {
  const [row] = await transaction.query<OrderRow>(
    `SELECT ${ORDER} FROM orders WHERE id = $1 FOR UPDATE`,
    [id],
  );
  return row;
}

async function withLinesOf(on: Queryable, row: OrderRow): Promise<Order> {
  const [order] = await withLines(on, [row]);
  if (order === undefined) throw new Error('an order went missing');
  return order;
}

/** Adds the lines of all orders by one statement, however many orders there are. */
async function withLines(on: Queryable, rows: readonly OrderRow[]): Promise<Order[]> {
  if (rows.length === 0) return [];
  const lines = await on.query<OrderLine>(
    `SELECT ${LINE} FROM order_lines WHERE order_id = ANY ($1) ORDER BY order_id, line_no`,
    [rows.map((row) => row.id)],
  );
  const byOrder = new Map<string, OrderLine[]>(rows.map((row) => [row.id, []]));
  for (const line of lines) byOrder.get(line.order_id)?.push(line);
  return rows.map((row) => ({ ...row, lines: byOrder.get(row.id) ?? [] }));
}
