import { z } from 'zod';
import { uuid } from '#runtime/service/fields.ts';
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
import { ORDER_STATUSES } from '../order-status.ts';
import { newOrder, orderChange, orderShape } from '../order.ts';
import type { OrderWork } from '../order-work.ts';
import { placeOrder } from '../place-order.ts';

const byId = z.strictObject({ id: uuid() });

/** Placing, reading and changing orders. */
export function orderRoutes({ orders, peers, soon }: OrderWork, deadlineSeconds: number): Route[] {
  return [
    route({
      method: 'post',
      path: '/orders',
      summary: 'Place an order',
      body: newOrder,
      reply: orderShape,
      handle: async ({ body, signal }) => {
        const context = { orders, peers, deadlineSeconds, signal };
        const { order, placed } = await placeOrder(body, context);
        return placed ? versioned(await soon(order.id, 'place-order'), 201) : versioned(order);
      },
    }),
    route({
      method: 'get',
      path: '/orders',
      summary: 'List orders newest first, or read those with the given ids',
      query: z.strictObject({
        ...pageQuery,
        ids: idList().optional(),
        user_id: uuid().optional(),
        status: z.enum(ORDER_STATUSES).optional(),
      }),
      reply: pageShape(orderShape),
      handle: async ({ query: { ids, user_id: userId, status, cursor, limit } }) => {
        if (ids !== undefined) return ok({ items: await orders.findMany(ids), next_cursor: null });
        const [placedAt, id] = decodeCursor(cursor, timestampKey(), uuid());
        const rows = await orders.list({ userId, status }, placedAt, id, limit + 1);
        return ok(pageOf(rows, limit, (order) => [order.placed_at, order.id]));
      },
    }),
    route({
      method: 'get',
      path: '/orders/:id',
      summary: 'Read an order with its lines',
      params: byId,
      reply: orderShape,
      handle: async ({ params }) => {
        const order = await orders.find(params.id);
        if (order === undefined) throw notFound('order');
        return versioned(order);
      },
    }),
    route({
      method: 'patch',
      path: '/orders/:id',
      summary: 'Change an order that is not closed',
      params: byId,
      body: orderChange,
      reply: orderShape,
      handle: async ({ params, body, ifMatch }) =>
        versioned(await orders.change(params.id, body, ifMatch)),
    }),
  ];
}
