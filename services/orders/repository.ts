import type { Database, Queryable } from '#runtime/service/database.ts';
import { violates } from '#runtime/service/database-error.ts';
import { assignments, changedRow } from '#runtime/service/patch.ts';
import { notFound, Problem } from '#runtime/service/problem.ts';
import { TRANSITIONS, type OrderEvent, type OrderStatus } from './order-status.ts';
import type { NewOrder, Order, OrderChange, OrderLine, OrderRow } from './order.ts';

const ORDER = `id, order_number, user_id, user_name, user_email, status, total, currency, gift, note,
  coupon_codes, shipping_address, requested_delivery, payment_id, placed_at, paid_at, closed_at,
  cancel_reason, version, created_at, updated_at`;
const LINE = `order_id, line_no, product_id, product_name, unit_price, quantity, line_total`;

/** What an order takes over from other services when it is placed. */
export interface PlacementCopies {
  readonly userName: string;
  readonly userEmail: string;
  readonly currency: string;
  /** One entry a line, in the order of the lines. */
  readonly products: readonly { readonly name: string; readonly price: string }[];
}

/** Facts that come with an event. */
export interface EventFacts {
  readonly paymentId?: string;
  readonly reason?: string | null;
}

/** The SQL of orders and their lines. */
export class OrderRepository {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /**
   * Stores a placed order with its lines; the sums are PostgreSQL's.
   *
   * @throws Problem `conflict` when the id is taken
   */
  async create(id: string, order: NewOrder, copies: PlacementCopies): Promise<Order> {
    const prices = copies.products.map((product) => product.price);
    const quantities = order.lines.map((line) => line.quantity);
    try {
      return await this.#database.transaction(async (transaction) => {
        const [row] = await transaction.query<OrderRow>(
          `INSERT INTO orders (id, user_id, user_name, user_email, currency, gift, note,
             coupon_codes, shipping_address, requested_delivery, total)
           SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, sum(line.price * line.quantity)
           FROM unnest($11::numeric[], $12::integer[]) AS line (price, quantity)
           RETURNING ${ORDER}`,
          [
            id,
            order.user_id,
            copies.userName,
            copies.userEmail,
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
        return { ...row, lines };
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
   * Moves an order to its next state. An event that led to the present state before is not an
   * error when it is repeated: callers may have missed the answer.
   *
   * @throws Problem `not-found`, or `conflict` when the order's state does not allow the event
   */
  async move(id: string, event: OrderEvent, facts: EventFacts = {}): Promise<Order> {
    const { from, to } = TRANSITIONS[event];
    return this.#database.transaction(async (transaction) => {
      const current = await lock(transaction, id);
      if (current === undefined) throw notFound('order');
      if (isRepeated(current, event, facts)) return withLinesOf(transaction, current);
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
        [id, to, facts.paymentId ?? null, facts.reason ?? null],
      );
      if (row === undefined) throw new Error('UPDATE of a locked row returned none');
      return withLinesOf(transaction, row);
    });
  }
}

function isRepeated(current: OrderRow, event: OrderEvent, { paymentId }: EventFacts): boolean {
  // Paid by this payment, whatever became of the order since.
  if (event === 'pay') return paymentId === current.payment_id;
  return current.status === TRANSITIONS[event].to;
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
