import { z } from 'zod';
import { uuid } from '#runtime/service/fields.ts';
import { decodeCursor, pageOf, pageQuery, pageShape, timestampKey } from '#runtime/service/page.ts';
import { notFound } from '#runtime/service/problem.ts';
import { ok, route, type Route } from '#runtime/service/route.ts';
import type { OrderWork } from '../order-work.ts';
import { SAGA_STATES, sagaRowShape, sagaShape } from '../saga/saga.ts';

const byId = z.strictObject({ id: uuid() });

/** What operators see of sagas, and what they can do about one that does not end. */
export function sagaRoutes({ sagas, soon }: OrderWork): Route[] {
  const told = async (id: string, what: 'retry' | 'compensate') => {
    const saga = await sagas.order(id, what);
    await soon(saga.order_id, saga.kind);
    return ok(await sagas.find(id));
  };
  return [
    route({
      method: 'get',
      path: '/sagas',
      summary: 'List sagas newest first; overdue=true: stuck or past their deadline',
      query: z.strictObject({
        ...pageQuery,
        state: z.enum(SAGA_STATES).optional(),
        order_id: uuid().optional(),
        overdue: z.stringbool().default(false),
      }),
      reply: pageShape(sagaRowShape),
      handle: async ({ query: { state, order_id: orderId, overdue, cursor, limit } }) => {
        const [createdAt, id] = decodeCursor(cursor, timestampKey(), uuid());
        const rows = await sagas.list({ state, orderId, overdue }, createdAt, id, limit + 1);
        return ok(pageOf(rows, limit, (saga) => [saga.created_at, saga.id]));
      },
    }),
    route({
      method: 'get',
      path: '/sagas/:id',
      summary: 'Read a saga with its timeline',
      params: byId,
      reply: sagaShape,
      handle: async ({ params }) => {
        const saga = await sagas.find(params.id);
        if (saga === undefined) throw notFound('saga');
        return ok(saga);
      },
    }),
    route({
      method: 'post',
      path: '/sagas/:id/retry',
      summary: 'Have a saga that is stuck or waits try its step again now',
      params: byId,
      reply: sagaShape,
      handle: async ({ params }) => told(params.id, 'retry'),
    }),
    route({
      method: 'post',
      path: '/sagas/:id/compensate',
      summary: 'Turn a saga back that has not ended',
      params: byId,
      reply: sagaShape,
      handle: async ({ params }) => told(params.id, 'compensate'),
    }),
  ];
}
