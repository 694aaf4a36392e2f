import type { Database } from '#runtime/service/database.ts';
import { violates } from '#runtime/service/database-error.ts';
import { Problem } from '#runtime/service/problem.ts';
import type { Category, NewCategory } from './product.ts';

const CATEGORY = 'id, slug, name, parent_id, created_at, updated_at';

/** The SQL of categories. */
export class CategoryRepository {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** @throws Problem `conflict` when the slug is taken, `rule-violated` for no such parent */
  async create(category: NewCategory): Promise<Category> {
    try {
      const [row] = await this.#database.query<Category>(
        `INSERT INTO categories (slug, name, parent_id) VALUES ($1, $2, $3) RETURNING ${CATEGORY}`,
        [category.slug, category.name, category.parent_id],
      );
      if (row === undefined) throw new Error('INSERT returned no row');
      return row;
    } catch (error) {
      throw violates(error, 'categories_slug_key')
        ? new Problem('conflict', 'Another category has this slug.', { cause: error })
        : error;
    }
  }

  /** Up to `count` categories in the order they were added, after the given one. */
  async list(after: string | null, count: number): Promise<Category[]> {
    return this.#database.query<Category>(
      `SELECT ${CATEGORY} FROM categories WHERE $1::integer IS NULL OR id > $1
       ORDER BY id LIMIT $2`,
      [after, count],
    );
  }
}
