import { z } from 'zod';
import { describeError } from '#runtime/errors.ts';
import type { Logger } from '#runtime/log.ts';
import { uuid } from '#runtime/service/fields.ts';
import { notFound } from '#runtime/service/problem.ts';
import { route, versioned, type Route } from '#runtime/service/route.ts';
import { cancellation, paymentNotice } from '../order.ts';
import { releaseStock, shipStock, type OrderPeers } from '../peers.ts';
import type { OrderRepository } from '../repository.ts';

const byId = z.strictObject({ id: uuid() });

/** What happens to an order after it was placed. Each may be repeated. */
export function orderEventRoutes(orders: OrderRepository, { inventory }: OrderPeers): Route[] {
  /** The order is closed whatever inventory says; closing it again tries again. */
  const release = async (id: string, signal: AbortSignal, log: Logger) => {
    await releaseStock(inventory, id, signal).catch((error: unknown) => {
      log.warn({ reason: describeError(error) }, 'stock of a closed order stays held');
    });
  };
  return [
    route({
      method: 'put',
      path: '/orders/:id/payment',
      summary: 'Mark an order paid',
      params: byId,
      body: paymentNotice,
      handle: async ({ params, body }) =>
        versioned(await orders.move(params.id, 'pay', { paymentId: body.payment_id })),
    }),
    route({
      method: 'put',
      path: '/orders/:id/refund',
      summary: 'Mark an order refunded and give stock that was not shipped back',
      params: byId,
      body: paymentNotice,
      handle: async ({ params, body, signal, log }) => {
        const order = await orders.move(params.id, 'refund', { paymentId: body.payment_id });
        await release(order.id, signal, log);
        return versioned(order);
      },
    }),
    route({
      method: 'post',
      path: '/orders/:id/ship',
      summary: 'Ship a paid order',
      params: byId,
      handle: async ({ params, signal }) => {
        const order = await orders.find(params.id);
        if (order === undefined) throw notFound('order');
        if (order.status === 'paid') await shipStock(inventory, order.id, signal);
        return versioned(await orders.move(order.id, 'ship'));
      },
    }),
    route({
      method: 'post',
      path: '/orders/:id/cancel',
      summary: 'Cancel an order that is not paid and give its stock back',
      params: byId,
      body: cancellation,
      handle: async ({ params, body, signal, log }) => {
        const order = await orders.move(params.id, 'cancel', { reason: body.reason });
        await release(order.id, signal, log);
        return versioned(order);
      },
    }),
  ];
}
