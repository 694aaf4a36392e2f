import { z } from 'zod';
import { decodeCursor, pageOf, pageQuery, pageShape } from '#runtime/service/page.ts';
import { ok, route, type Route } from '#runtime/service/route.ts';
import type { StockRepository } from '../repository.ts';
import { warehouseBody, warehouseCode, warehouseShape } from '../stock.ts';

/** Operations on warehouses. */
export function warehouseRoutes(stock: StockRepository): Route[] {
  return [
    route({
      method: 'put',
      path: '/warehouses/:code',
      summary: 'Add or change a warehouse',
      params: z.strictObject({ code: warehouseCode() }),
      body: warehouseBody,
      reply: warehouseShape,
      handle: async ({ params, body }) => ok(await stock.putWarehouse(params.code, body)),
    }),
    route({
      method: 'get',
      path: '/warehouses',
      summary: 'List the warehouses',
      query: z.strictObject(pageQuery),
      reply: pageShape(warehouseShape),
      handle: async ({ query: { cursor, limit } }) => {
        const [after] = decodeCursor(cursor, warehouseCode());
        const rows = await stock.warehouses(after, limit + 1);
        return ok(pageOf(rows, limit, (warehouse) => [warehouse.code]));
      },
    }),
  ];
}
