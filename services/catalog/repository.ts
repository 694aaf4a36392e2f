import type { Database, Queryable } from '#runtime/service/database.ts';
import { violates } from '#runtime/service/database-error.ts';
import { assignments, changedRow } from '#runtime/service/patch.ts';
import { notFound, Problem } from '#runtime/service/problem.ts';
import type {
  NewProduct,
  PriceChange,
  Product,
  ProductChange,
  ProductStatus,
  ProductSummary,
} from './product.ts';

const PRODUCT = `id, sku, name, description, category_id, price, currency, status, barcode,
  weight_grams, sizes, tags, attributes, available_from, published_at, version, created_at,
  updated_at`;

/** The SQL of products and their price history. */
export class ProductRepository {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** @throws Problem `conflict` when the SKU or id is taken, `rule-violated` for no such category */
  async create(product: NewProduct): Promise<Product> {
    try {
      const [row] = await this.#database.query<Product>(
        `INSERT INTO products (id, sku, name, description, category_id, price, currency, barcode,
           weight_grams, sizes, tags, attributes, available_from)
         VALUES (coalesce($1, gen_random_uuid()), $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12,
           $13)
         RETURNING ${PRODUCT}`,
        [
          product.id ?? null,
          product.sku,
          product.name,
          product.description,
          product.category_id,
          product.price,
          product.currency,
          product.barcode,
          product.weight_grams,
          product.sizes,
          product.tags,
          JSON.stringify(product.attributes),
          product.available_from,
        ],
      );
      if (row === undefined) throw new Error('INSERT returned no row');
      return row;
    } catch (error) {
      throw namedConflict(error);
    }
  }

  /** The product, or undefined. */
  async find(id: string): Promise<Product | undefined> {
    return findIn(this.#database, id);
  }

  /** Those of the products that exist, in no particular order. */
  async findMany(ids: readonly string[]): Promise<Product[]> {
    return this.#database.query<Product>(`SELECT ${PRODUCT} FROM products WHERE id = ANY ($1)`, [
      ids,
    ]);
  }

  /** The short form of those of the products that exist, in no particular order. */
  async summaries(ids: readonly string[]): Promise<ProductSummary[]> {
    return this.#database.query<ProductSummary>(
      `SELECT id, sku, name, price, currency, status FROM products WHERE id = ANY ($1)`,
      [ids],
    );
  }

  /** Up to `count` products, newest first, older than the given place. */
  async list(
    status: ProductStatus | undefined,
    createdAt: string | null,
    id: string | null,
    count: number,
  ): Promise<Product[]> {
    return this.#database.query<Product>(
      `SELECT ${PRODUCT} FROM products
       WHERE ($1::timestamptz IS NULL OR (created_at, id) < ($1, $2::uuid))
         AND ($3::product_status IS NULL OR status = $3)
       ORDER BY created_at DESC, id DESC LIMIT $4`,
      [createdAt, id, status ?? null, count],
    );
  }

  /**
   * Changes a product and, when its price becomes another, remembers the old one.
   *
   * @throws Problem `not-found`, `version-mismatch`, or `rule-violated` for no such category
   */
  async change(id: string, change: ProductChange, ifMatch: number | undefined): Promise<Product> {
    try {
      return await this.#database.transaction(async (transaction) => {
        const before = await findIn(transaction, id, 'FOR UPDATE');
        const { sql, values } = assignments(change, 3);
        const rows = await transaction.query<Product>(
          `UPDATE products SET ${sql}, version = version + 1, updated_at = now()
           WHERE id = $1 AND ($2::integer IS NULL OR version = $2) RETURNING ${PRODUCT}`,
          [id, ifMatch ?? null, ...values],
        );
        const after = changedRow(rows, before, 'product');
        if (before !== undefined && before.price !== after.price) {
          await transaction.query(
            `INSERT INTO price_changes (product_id, old_price, new_price) VALUES ($1, $2, $3)`,
            [id, before.price, after.price],
          );
        }
        return after;
      });
    } catch (error) {
      throw namedConflict(error);
    }
  }

  /**
   * Puts a product on sale or takes it off for good; asking again for what it is already changes
   * nothing.
   *
   * @throws Problem `not-found`, or `conflict` for a retired product that should be published
   */
  async move(id: string, to: 'published' | 'retired'): Promise<Product> {
    const [row] = await this.#database.query<Product>(
      `UPDATE products SET status = $2, version = version + 1, updated_at = now(),
         published_at = CASE WHEN $2 = 'published' THEN now() ELSE published_at END
       WHERE id = $1 AND status <> $2 AND status <> 'retired' RETURNING ${PRODUCT}`,
      [id, to],
    );
    const current = row ?? (await this.find(id));
    if (current === undefined) throw notFound('product');
    if (current.status !== to) throw new Problem('conflict', 'A retired product stays retired.');
    return current;
  }

  /** Up to `count` price changes of a product, newest first, before the given one. */
  async priceChanges(id: string, before: string | null, count: number): Promise<PriceChange[]> {
    return this.#database.query<PriceChange>(
      `SELECT id, product_id, old_price, new_price, changed_at FROM price_changes
       WHERE product_id = $1 AND ($2::bigint IS NULL OR id < $2) ORDER BY id DESC LIMIT $3`,
      [id, before, count],
    );
  }
}

async function findIn(
  on: Queryable,
  id: string,
  lock: 'FOR UPDATE' | '' = '',
): Promise<Product | undefined> {
  const [row] = await on.query<Product>(`SELECT ${PRODUCT} FROM products WHERE id = $1 ${lock}`, [
    id,
  ]);
  return row;
}

function namedConflict(error: unknown): unknown {
  if (violates(error, 'products_sku_key')) {
    return new Problem('conflict', 'Another product has this SKU.', { cause: error });
  }
  if (violates(error, 'products_category_fkey')) {
    return new Problem('rule-violated', 'There is no such category.', { cause: error });
  }
  return error;
}
