import type { Database, Queryable } from '#runtime/service/database.ts';
import { violates } from '#runtime/service/database-error.ts';
import { assignments, changedRow } from '#runtime/service/patch.ts';
import { notFound, Problem } from '#runtime/service/problem.ts';
import type {
  StockAdjustment,
  StockChange,
  StockCount,
  StockLevel,
  StockMovement,
  Warehouse,
  WarehouseBody,
} from './stock.ts';

const LEVEL = `product_id, warehouse_code, on_hand, reserved, reorder_point, version, created_at,
  updated_at`;
const WAREHOUSE = 'code, name, country, accepts_returns, created_at, updated_at';

/** Books one change of a level, in the transaction that makes it. */
export async function recordMovement(
  on: Queryable,
  movement: Omit<StockMovement, 'id' | 'created_at'>,
): Promise<void> {
  await on.query(
    `INSERT INTO stock_movements (product_id, warehouse_code, kind, quantity, order_id, note)
     VALUES ($1, $2, $3, $4, $5, $6)`,
    [
      movement.product_id,
      movement.warehouse_code,
      movement.kind,
      movement.quantity,
      movement.order_id,
      movement.note,
    ],
  );
}

/** The SQL of warehouses, stock levels and movements. */
export class StockRepository {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Adds the warehouse, or changes the one with this code. */
  async putWarehouse(code: string, body: WarehouseBody): Promise<Warehouse> {
    const [row] = await this.#database.query<Warehouse>(
      `INSERT INTO warehouses (code, name, country, accepts_returns) VALUES ($1, $2, $3, $4)
       ON CONFLICT (code) DO UPDATE SET name = excluded.name, country = excluded.country,
         accepts_returns = excluded.accepts_returns, updated_at = now()
       RETURNING ${WAREHOUSE}`,
      [code, body.name, body.country, body.accepts_returns],
    );
    if (row === undefined) throw new Error('INSERT returned no row');
    return row;
  }

  /** Up to `count` warehouses by code, after the given one. */
  async warehouses(after: string | null, count: number): Promise<Warehouse[]> {
    return this.#database.query<Warehouse>(
      `SELECT ${WAREHOUSE} FROM warehouses WHERE $1::text IS NULL OR code > $1
       ORDER BY code LIMIT $2`,
      [after, count],
    );
  }

  /** One level, or undefined. */
  async find(productId: string, warehouseCode: string): Promise<StockLevel | undefined> {
    const [row] = await this.#database.query<StockLevel>(
      `SELECT ${LEVEL} FROM stock_levels WHERE product_id = $1 AND warehouse_code = $2`,
      [productId, warehouseCode],
    );
    return row;
  }

  /** All levels of the products. */
  async findMany(productIds: readonly string[]): Promise<StockLevel[]> {
    return this.#database.query<StockLevel>(
      `SELECT ${LEVEL} FROM stock_levels WHERE product_id = ANY ($1)
       ORDER BY product_id, warehouse_code`,
      [productIds],
    );
  }

  /** Up to `count` levels by product and warehouse, after the given one. */
  async list(
    productId: string | null,
    warehouseCode: string | null,
    count: number,
  ): Promise<StockLevel[]> {
    return this.#database.query<StockLevel>(
      `SELECT ${LEVEL} FROM stock_levels
       WHERE $1::uuid IS NULL OR (product_id, warehouse_code) > ($1, $2::text)
       ORDER BY product_id, warehouse_code LIMIT $3`,
      [productId, warehouseCode, count],
    );
  }

  /**
   * Sets a level to what was counted and books the difference.
   *
   * @throws Problem `not-found` for no such warehouse, `version-mismatch`, or `conflict` when more
   *   than that is reserved
   */
  async setLevel(
    productId: string,
    warehouseCode: string,
    counted: StockCount,
    ifMatch: number | undefined,
  ): Promise<StockLevel> {
    return this.#booked(async (transaction) => {
      await transaction.query(
        `INSERT INTO stock_levels (product_id, warehouse_code) VALUES ($1, $2)
         ON CONFLICT DO NOTHING`,
        [productId, warehouseCode],
      );
      const before = await lockLevel(transaction, productId, warehouseCode);
      const rows = await transaction.query<StockLevel>(
        `UPDATE stock_levels SET on_hand = $3, reorder_point = $4, version = version + 1,
           updated_at = now()
         WHERE product_id = $1 AND warehouse_code = $2 AND ($5::integer IS NULL OR version = $5)
         RETURNING ${LEVEL}`,
        [productId, warehouseCode, counted.on_hand, counted.reorder_point, ifMatch ?? null],
      );
      const level = changedRow(rows, before, 'stock level');
      const quantity = level.on_hand - before.on_hand;
      if (quantity !== 0) {
        await recordMovement(transaction, {
          product_id: productId,
          warehouse_code: warehouseCode,
          kind: 'adjustment',
          quantity,
          order_id: null,
          note: 'stock count',
        });
      }
      return level;
    });
  }

  /** Changes settings of a level. @throws Problem `not-found` or `version-mismatch` */
  async change(
    productId: string,
    warehouseCode: string,
    change: StockChange,
    ifMatch: number | undefined,
  ): Promise<StockLevel> {
    const { sql, values } = assignments(change, 4);
    const rows = await this.#database.query<StockLevel>(
      `UPDATE stock_levels SET ${sql}, version = version + 1, updated_at = now()
       WHERE product_id = $1 AND warehouse_code = $2 AND ($3::integer IS NULL OR version = $3)
       RETURNING ${LEVEL}`,
      [productId, warehouseCode, ifMatch ?? null, ...values],
    );
    const current = rows.length > 0 ? undefined : await this.find(productId, warehouseCode);
    return changedRow(rows, current, 'stock level');
  }

  /**
   * Books units in or out.
   *
   * @throws Problem `not-found`, or `conflict` when there are not that many free units
   */
  async adjust(
    productId: string,
    warehouseCode: string,
    adjustment: StockAdjustment,
  ): Promise<StockLevel> {
    return this.#booked(async (transaction) => {
      const [level] = await transaction.query<StockLevel>(
        `UPDATE stock_levels SET on_hand = on_hand + $3, version = version + 1, updated_at = now()
         WHERE product_id = $1 AND warehouse_code = $2 RETURNING ${LEVEL}`,
        [productId, warehouseCode, adjustment.quantity],
      );
      if (level === undefined) throw notFound('stock level');
      await recordMovement(transaction, {
        product_id: productId,
        warehouse_code: warehouseCode,
        kind: adjustment.kind,
        quantity: adjustment.quantity,
        order_id: null,
        note: adjustment.note,
      });
      return level;
    });
  }

  /** Up to `count` movements, newest first, before the given one, of one product or of all. */
  async movements(
    productId: string | undefined,
    before: string | null,
    count: number,
  ): Promise<StockMovement[]> {
    return this.#database.query<StockMovement>(
      `SELECT id, product_id, warehouse_code, kind, quantity, order_id, note, created_at
       FROM stock_movements
       WHERE ($1::uuid IS NULL OR product_id = $1) AND ($2::bigint IS NULL OR id < $2)
       ORDER BY id DESC LIMIT $3`,
      [productId ?? null, before, count],
    );
  }

  async #booked<T>(work: (transaction: Queryable) => Promise<T>): Promise<T> {
    try {
      return await this.#database.transaction(work);
    } catch (error) {
      if (violates(error, 'stock_levels_warehouse_fkey')) throw notFound('warehouse');
      if (
        violates(error, 'stock_levels_reserved_check') ||
        violates(error, 'stock_levels_on_hand_check')
      ) {
        throw new Problem('conflict', 'There are not that many units, or orders hold them.', {
          cause: error,
        });
      }
      throw error;
    }
  }
}

async function lockLevel(
  transaction: Queryable,
  productId: string,
  warehouseCode: string,
): Promise<StockLevel> {
  const [row] = await transaction.query<StockLevel>(
    `SELECT ${LEVEL} FROM stock_levels WHERE product_id = $1 AND warehouse_code = $2 FOR UPDATE`,
    [productId, warehouseCode],
  );
  if (row === undefined) throw notFound('stock level');
  return row;
}
