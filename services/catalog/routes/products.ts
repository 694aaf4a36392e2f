import { z } from 'zod';
import { bigintText, uuid } from '#runtime/service/fields.ts';
import {
  decodeCursor,
  idList,
  pageOf,
  pageQuery,
  pageShape,
  timestampKey,
} from '#runtime/service/page.ts';
import { notFound } from '#runtime/service/problem.ts';
import { ok, route, versioned, type Route } from '#runtime/service/route.ts';
import {
  newProduct,
  priceChangeShape,
  PRODUCT_STATUSES,
  productChange,
  productLookup,
  productShape,
  productSummaryShape,
} from '../product.ts';
import type { ProductRepository } from '../repository.ts';

const byId = z.strictObject({ id: uuid() });

/** Operations on products. */
export function productRoutes(products: ProductRepository): Route[] {
  return [
    route({
      method: 'post',
      path: '/products',
      summary: 'Add a product as a draft',
      body: newProduct,
      reply: productShape,
      handle: async ({ body }) => versioned(await products.create(body), 201),
    }),
    route({
      method: 'get',
      path: '/products',
      summary: 'List products newest first, or read those with the given ids',
      query: z.strictObject({
        ...pageQuery,
        ids: idList().optional(),
        status: z.enum(PRODUCT_STATUSES).optional(),
      }),
      reply: pageShape(productShape),
      handle: async ({ query: { ids, status, cursor, limit } }) => {
        if (ids !== undefined) {
          return ok({ items: await products.findMany(ids), next_cursor: null });
        }
        const [createdAt, id] = decodeCursor(cursor, timestampKey(), uuid());
        const rows = await products.list(status, createdAt, id, limit + 1);
        return ok(pageOf(rows, limit, (product) => [product.created_at, product.id]));
      },
    }),
    route({
      method: 'post',
      path: '/products/lookup',
      summary: 'Read the short form of many products',
      body: productLookup,
      reply: z.object({ items: z.array(productSummaryShape) }),
      handle: async ({ body }) => ok({ items: await products.summaries(body.ids) }),
    }),
    route({
      method: 'get',
      path: '/products/:id',
      summary: 'Read a product',
      params: byId,
      reply: productShape,
      handle: async ({ params }) => {
        const product = await products.find(params.id);
        if (product === undefined) throw notFound('product');
        return versioned(product);
      },
    }),
    route({
      method: 'patch',
      path: '/products/:id',
      summary: 'Change a product; a new price is kept in its history',
      params: byId,
      body: productChange,
      reply: productShape,
      handle: async ({ params, body, ifMatch }) =>
        versioned(await products.change(params.id, body, ifMatch)),
    }),
    route({
      method: 'post',
      path: '/products/:id/publish',
      summary: 'Put a product on sale',
      params: byId,
      reply: productShape,
      handle: async ({ params }) => versioned(await products.move(params.id, 'published')),
    }),
    route({
      method: 'post',
      path: '/products/:id/retire',
      summary: 'Take a product off sale for good',
      params: byId,
      reply: productShape,
      handle: async ({ params }) => versioned(await products.move(params.id, 'retired')),
    }),
    route({
      method: 'get',
      path: '/products/:id/price-changes',
      summary: 'List the price changes of a product, newest first',
      params: byId,
      query: z.strictObject(pageQuery),
      reply: pageShape(priceChangeShape),
      handle: async ({ params, query: { cursor, limit } }) => {
        const [before] = decodeCursor(cursor, bigintText());
        const rows = await products.priceChanges(params.id, before, limit + 1);
        return ok(pageOf(rows, limit, (change) => [change.id]));
      },
    }),
  ];
}
