import { z } from 'zod';
import { decodeCursor, pageOf, pageQuery, pageShape } from '#runtime/service/page.ts';
import { ok, route, type Route } from '#runtime/service/route.ts';
import type { CategoryRepository } from '../category-repository.ts';
import { categoryShape, newCategory } from '../product.ts';

const idKey = () => z.string().regex(/^\d{1,9}$/);

/** Operations on categories. */
export function categoryRoutes(categories: CategoryRepository): Route[] {
  return [
    route({
      method: 'post',
      path: '/categories',
      summary: 'Add a category',
      body: newCategory,
      reply: categoryShape,
      handle: async ({ body }) => ({ status: 201, body: await categories.create(body) }),
    }),
    route({
      method: 'get',
      path: '/categories',
      summary: 'List the categories',
      query: z.strictObject(pageQuery),
      reply: pageShape(categoryShape),
      handle: async ({ query: { cursor, limit } }) => {
        const [after] = decodeCursor(cursor, idKey());
        const rows = await categories.list(after, limit + 1);
        return ok(pageOf(rows, limit, (category) => [String(category.id)]));
      },
    }),
  ];
}
