import { z } from 'zod';
import { uuid } from '#runtime/service/fields.ts';
import { notFound } from '#runtime/service/problem.ts';
import { ok, route, type Route } from '#runtime/service/route.ts';
import type { ReservationRepository } from '../reservation-repository.ts';
import { reservationBody, reservationShape } from '../stock.ts';

const held = z.object({ items: z.array(reservationShape) });
const byOrder = z.strictObject({ order_id: uuid() });

/** Operations on stock held for orders; each may be repeated. */
export function reservationRoutes(reservations: ReservationRepository): Route[] {
  return [
    route({
      method: 'put',
      path: '/reservations/:order_id',
      summary: 'Hold stock for all lines of an order, or for none',
      params: byOrder,
      body: reservationBody,
      reply: held,
      handle: async ({ params, body }) =>
        ok({ items: await reservations.reserve(params.order_id, body.lines) }),
    }),
    route({
      method: 'get',
      path: '/reservations/:order_id',
      summary: 'Read what is held for an order',
      params: byOrder,
      reply: held,
      handle: async ({ params }) => {
        const items = await reservations.find(params.order_id);
        if (items.length === 0) throw notFound('reservation');
        return ok({ items });
      },
    }),
    route({
      method: 'delete',
      path: '/reservations/:order_id',
      summary: 'Give held stock back',
      params: byOrder,
      reply: held,
      handle: async ({ params }) => ok({ items: await reservations.release(params.order_id) }),
    }),
    route({
      method: 'put',
      path: '/reservations/:order_id/shipment',
      summary: 'Take held stock out of the warehouse',
      params: byOrder,
      reply: held,
      handle: async ({ params }) => ok({ items: await reservations.ship(params.order_id) }),
    }),
  ];
}
