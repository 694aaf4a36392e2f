import { z } from 'zod';
import { text, uuid } from '#runtime/service/fields.ts';
import { notFound } from '#runtime/service/problem.ts';
import { ok, route, type Route } from '#runtime/service/route.ts';
import {
  composedOrderShape,
  composeOrders,
  orderShape,
  type GatewayPeers,
} from '../compose-orders.ts';
import { pageShape } from '#runtime/service/page.ts';

/** Longest time a request may take, its calls included. */
const DEADLINE_MS = 5_000;
/** With at most 50 lines an order, a page's products fit one lookup of the catalog (1,500). */
const MAX_ORDERS = 30;
const DEFAULT_ORDERS = 20;

const ordersPage = pageShape(orderShape);

const missing = {
  /** Services that did not answer; what they would have told is marked. */
  unavailable: z.array(z.string()),
};

const listQuery = z.strictObject({
  limit: z
    .string()
    .regex(/^\d{1,2}$/, 'needs a number')
    .transform(Number)
    .pipe(z.number().min(1).max(MAX_ORDERS))
    .default(DEFAULT_ORDERS),
  cursor: z.string().max(500).optional(),
  user_id: uuid().optional(),
  status: text(40).optional(),
});

/** Orders as a customer or clerk wants to see them: joined with users and products. */
export function orderPageRoutes(peers: GatewayPeers): Route[] {
  return [
    route({
      method: 'get',
      path: '/orders',
      summary: 'List orders newest first, with their users and products',
      query: listQuery,
      reply: pageShape(composedOrderShape).extend(missing),
      handle: async ({ query, signal: caller, log }) => {
        const signal = withDeadline(caller);
        const words = new URLSearchParams(
          Object.entries(query).map(([name, value]): [string, string] => [name, String(value)]),
        );
        const page = await peers.orders.get(ordersPage, {
          path: `/orders?${words.toString()}`,
          signal,
          passRefusal: true,
        });
        if (page === undefined) throw notFound('list of orders');
        const composed = await composeOrders(page.items, peers, { signal, log });
        return ok({ ...composed, next_cursor: page.next_cursor });
      },
    }),
    route({
      method: 'get',
      path: '/orders/:id',
      summary: 'Read an order with its user and products',
      params: z.strictObject({ id: uuid() }),
      reply: composedOrderShape.extend(missing),
      handle: async ({ params, signal: caller, log }) => {
        const signal = withDeadline(caller);
        const order = await peers.orders.get(orderShape, { path: `/orders/${params.id}`, signal });
        if (order === undefined) throw notFound('order');
        const { items, unavailable } = await composeOrders([order], peers, { signal, log });
        return ok({ ...items[0], unavailable });
      },
    }),
  ];
}

/** Aborts when the caller hangs up and when the request has taken its time; all calls end then. */
function withDeadline(caller: AbortSignal): AbortSignal {
  return AbortSignal.any([caller, AbortSignal.timeout(DEADLINE_MS)]);
}
