import { z } from 'zod';
import { uuid } from '#runtime/service/fields.ts';
import { route, versioned, type Route } from '#runtime/service/route.ts';
import { cancellation, orderShape } from '../order.ts';
import type { OrderWork } from '../order-work.ts';

const byId = z.strictObject({ id: uuid() });

/** What happens to an order after it was placed. Each may be repeated. */
export function orderEventRoutes({ orders, soon }: OrderWork): Route[] {
  return [
    route({
      method: 'post',
      path: '/orders/:id/ship',
      summary: 'Ship a paid order',
      params: byId,
      reply: orderShape,
      handle: async ({ params }) => {
        const order = await orders.ship(params.id);
        return versioned(await soon(order.id, 'ship-order'));
      },
    }),
    route({
      method: 'post',
      path: '/orders/:id/cancel',
      summary: 'Cancel an order that is not shipped and give stock and money back',
      params: byId,
      body: cancellation,
      reply: orderShape,
      handle: async ({ params, body }) => {
        const order = await orders.cancel(params.id, body.reason);
        return versioned(await soon(order.id, 'place-order'));
      },
    }),
  ];
}
