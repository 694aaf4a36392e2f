import { z } from 'zod';
import { describeError } from '#runtime/errors.ts';
import type { Logger } from '#runtime/log.ts';
import type { Peer } from '#runtime/service/peer.ts';

/**
 * Longest wait for users or the catalog, repeated attempts included. Well below the deadline of the
 * whole request: a page without names beats no page.
 */
const DETAIL_DEADLINE_MS = 1_500;

/** An order as orders shows it; fields not named here are passed on as they came. */
export const orderShape = z.looseObject({
  id: z.string(),
  user_id: z.string(),
  user_name: z.string(),
  user_email: z.string(),
  lines: z.array(z.looseObject({ product_id: z.string() })),
});

const usersShape = z.object({
  items: z.array(z.object({ id: z.string(), name: z.string(), email: z.string() })),
});
const productsShape = z.object({
  items: z.array(
    z.object({ id: z.string(), sku: z.string(), name: z.string(), status: z.string() }),
  ),
});

const unknownShape = z.object({
  id: z.string(),
  name: z.literal('Unknown'),
  /** `not-found`: its owner does not have it. `unavailable`: its owner did not answer in time. */
  unknown: z.enum(['not-found', 'unavailable']),
});
const staleUserShape = z.object({
  id: z.string(),
  name: z.string(),
  email: z.string(),
  /** Users did not answer: name and address are the copies of orders. */
  stale: z.literal(true),
});

/** An order with its user and products. */
export const composedOrderShape = orderShape.extend({
  user: z.union([unknownShape, staleUserShape, usersShape.shape.items.element]),
  lines: z.array(
    z.looseObject({
      product_id: z.string(),
      product: z.union([unknownShape, productsShape.shape.items.element]),
    }),
  ),
});

/** An order, read from its owner. */
export type ShownOrder = z.output<typeof orderShape>;

/** Services the gateway asks. */
export interface GatewayPeers {
  readonly orders: Peer;
  readonly users: Peer;
  readonly catalog: Peer;
}

/** Stands for something that could not be had. */
export type Unknown = z.output<typeof unknownShape>;
/** A user who did not answer for itself. */
export type StaleUser = z.output<typeof staleUserShape>;

/** Orders with their users and products, and which services did not answer. */
export interface ComposedOrders {
  readonly items: readonly Record<string, unknown>[];
  readonly unavailable: readonly string[];
}

/**
 * Joins orders with their users and products by one call to each owner, side by side, however many
 * orders there are. With users away the names are the copies that orders keeps, marked stale; what
 * else cannot be had becomes an {@link Unknown}.
 *
 * @throws the abort reason when `signal` aborts
 */
export async function composeOrders(
  orders: readonly ShownOrder[],
  peers: GatewayPeers,
  { signal, log }: { signal: AbortSignal; log: Logger },
): Promise<ComposedOrders> {
  const userIds = distinct(orders.map((order) => order.user_id));
  const productIds = distinct(
    orders.flatMap((order) => order.lines.map((line) => line.product_id)),
  );
  const context = { signal, log };
  const [users, products] = await Promise.all([
    readDetails('users', userIds, context, async (inTime) =>
      peers.users.get(usersShape, { path: `/users?ids=${userIds.join(',')}`, signal: inTime }),
    ),
    readDetails('catalog', productIds, context, async (inTime) =>
      peers.catalog.lookUp(productsShape, {
        path: '/products/lookup',
        body: { ids: productIds },
        signal: inTime,
      }),
    ),
  ]);
  return {
    items: orders.map((order) => ({
      ...order,
      user: users === undefined ? copyOf(order) : pick(users, order.user_id),
      lines: order.lines.map((line) => ({ ...line, product: pick(products, line.product_id) })),
    })),
    unavailable: [
      ...(users === undefined ? ['users'] : []),
      ...(products === undefined ? ['catalog'] : []),
    ],
  };
}

/** What a service has of the ids; undefined when it does not answer as it should, or too late. */
async function readDetails<Item extends { id: string }>(
  service: string,
  ids: readonly string[],
  { signal, log }: { signal: AbortSignal; log: Logger },
  read: (signal: AbortSignal) => Promise<{ items: Item[] } | undefined>,
): Promise<ReadonlyMap<string, Item> | undefined> {
  if (ids.length === 0) return new Map();
  try {
    const answer = await read(AbortSignal.any([signal, AbortSignal.timeout(DETAIL_DEADLINE_MS)]));
    return answer && new Map(answer.items.map((item) => [item.id, item]));
  } catch (error) {
    // Nobody waits any more: not the service's fault.
    signal.throwIfAborted();
    log.warn({ service, reason: describeError(error) }, 'answered without details');
    return undefined;
  }
}

function pick<Item>(found: ReadonlyMap<string, Item> | undefined, id: string): Item | Unknown {
  return (
    found?.get(id) ?? {
      id,
      name: 'Unknown',
      unknown: found === undefined ? 'unavailable' : 'not-found',
    }
  );
}

function copyOf({ user_id, user_name, user_email }: ShownOrder): StaleUser {
  return { id: user_id, name: user_name, email: user_email, stale: true };
}

function distinct(ids: readonly string[]): string[] {
  return [...new Set(ids)];
}
