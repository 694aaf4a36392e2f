import { z } from 'zod';
import { bigintText, uuid } from '#runtime/service/fields.ts';
import { decodeCursor, idList, pageOf, pageQuery, pageShape } from '#runtime/service/page.ts';
import { notFound } from '#runtime/service/problem.ts';
import { ok, route, versioned, type Route } from '#runtime/service/route.ts';
import type { StockRepository } from '../repository.ts';
import {
  stockAdjustment,
  stockChange,
  stockCount,
  stockLevelShape,
  stockMovementShape,
  warehouseCode,
} from '../stock.ts';

const byPlace = z.strictObject({ product_id: uuid(), warehouse_code: warehouseCode() });

/** Operations on stock levels and their movements. */
export function stockRoutes(stock: StockRepository): Route[] {
  return [
    route({
      method: 'get',
      path: '/stock',
      summary: 'List stock levels, or read those of the given products',
      query: z.strictObject({ ...pageQuery, product_ids: idList().optional() }),
      reply: pageShape(stockLevelShape),
      handle: async ({ query: { product_ids, cursor, limit } }) => {
        if (product_ids !== undefined) {
          return ok({ items: await stock.findMany(product_ids), next_cursor: null });
        }
        const [productId, code] = decodeCursor(cursor, uuid(), warehouseCode());
        const rows = await stock.list(productId, code, limit + 1);
        return ok(pageOf(rows, limit, (level) => [level.product_id, level.warehouse_code]));
      },
    }),
    route({
      method: 'get',
      path: '/stock/:product_id/:warehouse_code',
      summary: 'Read a stock level',
      params: byPlace,
      reply: stockLevelShape,
      handle: async ({ params }) => {
        const level = await stock.find(params.product_id, params.warehouse_code);
        if (level === undefined) throw notFound('stock level');
        return versioned(level);
      },
    }),
    route({
      method: 'put',
      path: '/stock/:product_id/:warehouse_code',
      summary: 'Set a stock level to what was counted',
      params: byPlace,
      body: stockCount,
      reply: stockLevelShape,
      handle: async ({ params, body, ifMatch }) =>
        versioned(await stock.setLevel(params.product_id, params.warehouse_code, body, ifMatch)),
    }),
    route({
      method: 'patch',
      path: '/stock/:product_id/:warehouse_code',
      summary: 'Change the settings of a stock level',
      params: byPlace,
      body: stockChange,
      reply: stockLevelShape,
      handle: async ({ params, body, ifMatch }) =>
        versioned(await stock.change(params.product_id, params.warehouse_code, body, ifMatch)),
    }),
    route({
      method: 'post',
      path: '/stock/:product_id/:warehouse_code/adjustments',
      summary: 'Book units in or out',
      params: byPlace,
      body: stockAdjustment,
      reply: stockLevelShape,
      handle: async ({ params, body }) =>
        versioned(await stock.adjust(params.product_id, params.warehouse_code, body)),
    }),
    route({
      method: 'get',
      path: '/movements',
      summary: 'List stock movements newest first, of one product or of all',
      query: z.strictObject({ ...pageQuery, product_id: uuid().optional() }),
      reply: pageShape(stockMovementShape),
      handle: async ({ query: { product_id, cursor, limit } }) => {
        const [before] = decodeCursor(cursor, bigintText());
        const rows = await stock.movements(product_id, before, limit + 1);
        return ok(pageOf(rows, limit, (movement) => [movement.id]));
      },
    }),
  ];
}
