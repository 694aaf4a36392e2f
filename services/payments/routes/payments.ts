import { z } from 'zod';
import { bigintText, uuid } from '#runtime/service/fields.ts';
import { decodeCursor, idList, pageOf, pageQuery, pageShape } from '#runtime/service/page.ts';
import { notFound } from '#runtime/service/problem.ts';
import { ok, route, versioned, type Route } from '#runtime/service/route.ts';
import { chargeOrder, voidCharge } from '../charge-order.ts';
import { newCharge, newRefund, paymentChange, paymentShape, refundShape } from '../payment.ts';
import type { PaymentRepository } from '../repository.ts';

const byId = z.strictObject({ id: bigintText() });
const byOrder = z.strictObject({ order_id: uuid() });

/** Operations on payments. */
export function paymentRoutes(payments: PaymentRepository): Route[] {
  return [
    route({
      method: 'put',
      path: '/charges/:order_id',
      summary: 'Charge an order, once however often it is asked',
      params: byOrder,
      body: newCharge,
      reply: paymentShape,
      handle: async ({ params, body }) =>
        versioned(await chargeOrder(params.order_id, body, payments)),
    }),
    route({
      method: 'delete',
      path: '/charges/:order_id',
      summary: 'Give an order up: give back what was taken, refuse later charges',
      params: byOrder,
      reply: z.object({ payment: paymentShape.nullable() }),
      handle: async ({ params }) =>
        ok({ payment: (await voidCharge(params.order_id, payments)) ?? null }),
    }),
    route({
      method: 'get',
      path: '/payments',
      summary: 'List payments newest first, or read those with the given ids',
      query: z.strictObject({
        ...pageQuery,
        ids: idList(bigintText()).optional(),
        order_id: uuid().optional(),
      }),
      reply: pageShape(paymentShape),
      handle: async ({ query: { ids, order_id: orderId, cursor, limit } }) => {
        if (ids !== undefined) {
          return ok({ items: await payments.findMany(ids), next_cursor: null });
        }
        const [before] = decodeCursor(cursor, bigintText());
        const rows = await payments.list(orderId, before, limit + 1);
        return ok(pageOf(rows, limit, (payment) => [payment.id]));
      },
    }),
    route({
      method: 'get',
      path: '/payments/:id',
      summary: 'Read a payment',
      params: byId,
      reply: paymentShape,
      handle: async ({ params }) => {
        const payment = await payments.find(params.id);
        if (payment === undefined) throw notFound('payment');
        return versioned(payment);
      },
    }),
    route({
      method: 'patch',
      path: '/payments/:id',
      summary: 'Change the details noted with a payment',
      params: byId,
      body: paymentChange,
      reply: paymentShape,
      handle: async ({ params, body, ifMatch }) =>
        versioned(await payments.change(params.id, body, ifMatch)),
    }),
    route({
      method: 'post',
      path: '/payments/:id/refunds',
      summary: 'Refund a payment in part, or all that is left',
      params: byId,
      body: newRefund,
      reply: paymentShape,
      handle: async ({ params, body }) => versioned(await payments.refund(params.id, body), 201),
    }),
    route({
      method: 'get',
      path: '/payments/:id/refunds',
      summary: 'List the refunds of a payment',
      params: byId,
      query: z.strictObject(pageQuery),
      reply: pageShape(refundShape),
      handle: async ({ params, query: { cursor, limit } }) => {
        const [after] = decodeCursor(cursor, bigintText());
        const rows = await payments.refunds(params.id, after, limit + 1);
        return ok(pageOf(rows, limit, (refund) => [refund.id]));
      },
    }),
  ];
}
