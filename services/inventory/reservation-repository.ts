import type { Database, Queryable } from '#runtime/service/database.ts';
import { Problem } from '#runtime/service/problem.ts';
import { recordMovement } from './repository.ts';
import type { Reservation, ReservationLine } from './stock.ts';

const RESERVATION = `order_id, line_no, product_id, warehouse_code, quantity, status, created_at,
  updated_at`;

/** The SQL of stock held for orders. Every operation is the same when it is repeated. */
export class ReservationRepository {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** The lines held (or once held) for an order. */
  async find(orderId: string): Promise<Reservation[]> {
    return findIn(this.#database, orderId);
  }

  /**
   * Holds stock for all lines of an order or for none. For an order that has a reservation already
   * it answers that one.
   *
   * @throws Problem `conflict` with the products that are short, or when it was released before
   */
  async reserve(orderId: string, lines: readonly ReservationLine[]): Promise<Reservation[]> {
    return this.#database.transaction(async (transaction) => {
      await lockOrder(transaction, orderId);
      const closed = await transaction.query('SELECT FROM closed_orders WHERE order_id = $1', [
        orderId,
      ]);
      if (closed.length > 0) {
        throw new Problem('conflict', 'The stock of this order was released; place a new order.');
      }
      const existing = await findIn(transaction, orderId);
      if (existing.length > 0) return existing;
      const short: string[] = [];
      // Always in the same order, so that two orders of the same products wait and do not deadlock.
      const numbered = lines.map((line, index) => ({ ...line, lineNo: index + 1 }));
      numbered.sort((a, b) => (a.product_id < b.product_id ? -1 : 1));
      for (const line of numbered) {
        if (!(await holdLine(transaction, orderId, line))) short.push(line.product_id);
      }
      if (short.length > 0) {
        throw new Problem('conflict', 'There is not enough stock.', {
          extras: { product_ids: short },
        });
      }
      return findIn(transaction, orderId);
    });
  }

  /** Gives held stock back. A reservation that comes later, having been on its way, is refused. */
  async release(orderId: string): Promise<Reservation[]> {
    return this.#settle(orderId, 'released');
  }

  /** Takes held stock out of the warehouse. @throws Problem `conflict` when it was released */
  async ship(orderId: string): Promise<Reservation[]> {
    const lines = await this.#settle(orderId, 'shipped');
    if (lines.length === 0 || lines.some((line) => line.status === 'released')) {
      throw new Problem('conflict', 'No stock is held for this order.');
    }
    return lines;
  }

  async #settle(orderId: string, to: 'released' | 'shipped'): Promise<Reservation[]> {
    return this.#database.transaction(async (transaction) => {
      await lockOrder(transaction, orderId);
      if (to === 'released') {
        await transaction.query(
          'INSERT INTO closed_orders (order_id) VALUES ($1) ON CONFLICT DO NOTHING',
          [orderId],
        );
      }
      const held = await transaction.query<Reservation>(
        `UPDATE reservations SET status = $2, updated_at = now()
         WHERE order_id = $1 AND status = 'held' RETURNING ${RESERVATION}`,
        [orderId, to],
      );
      held.sort((a, b) => (a.product_id < b.product_id ? -1 : 1));
      for (const line of held) {
        await transaction.query(
          `UPDATE stock_levels SET reserved = reserved - $3, on_hand = on_hand - $4,
             version = version + 1, updated_at = now()
           WHERE product_id = $1 AND warehouse_code = $2`,
          [
            line.product_id,
            line.warehouse_code,
            line.quantity,
            to === 'shipped' ? line.quantity : 0,
          ],
        );
        await recordMovement(transaction, {
          product_id: line.product_id,
          warehouse_code: line.warehouse_code,
          kind: to === 'shipped' ? 'shipment' : 'release',
          quantity: -line.quantity,
          order_id: orderId,
          note: null,
        });
      }
      return findIn(transaction, orderId);
    });
  }
}

/** Holds a line in one warehouse that has enough; resolves with whether one has. */
async function holdLine(
  transaction: Queryable,
  orderId: string,
  line: ReservationLine & { lineNo: number },
): Promise<boolean> {
  const [level] = await transaction.query<{ warehouse_code: string }>(
    `UPDATE stock_levels SET reserved = reserved + $2, version = version + 1, updated_at = now()
     WHERE (product_id, warehouse_code) = (
       SELECT product_id, warehouse_code FROM stock_levels
       WHERE product_id = $1 AND on_hand - reserved >= $2
       ORDER BY warehouse_code LIMIT 1 FOR UPDATE)
     RETURNING warehouse_code`,
    [line.product_id, line.quantity],
  );
  if (level === undefined) return false;
  await transaction.query(
    `INSERT INTO reservations (order_id, line_no, product_id, warehouse_code, quantity)
     VALUES ($1, $2, $3, $4, $5)`,
    [orderId, line.lineNo, line.product_id, level.warehouse_code, line.quantity],
  );
  await recordMovement(transaction, {
    product_id: line.product_id,
    warehouse_code: level.warehouse_code,
    kind: 'reservation',
    quantity: line.quantity,
    order_id: orderId,
    note: null,
  });
  return true;
}

/** Makes repeated and opposite requests for one order wait for one another. */
async function lockOrder(transaction: Queryable, orderId: string): Promise<void> {
  await transaction.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [orderId]);
}

async function findIn(on: Queryable, orderId: string): Promise<Reservation[]> {
  return on.query<Reservation>(
    `SELECT ${RESERVATION} FROM reservations WHERE order_id = $1 ORDER BY line_no`,
    [orderId],
  );
}
