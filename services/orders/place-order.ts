import { randomUUID } from 'node:crypto';
import { describeError } from '#runtime/errors.ts';
import type { Logger } from '#runtime/log.ts';
import { isDatabaseAway } from '#runtime/service/database-error.ts';
import { Problem } from '#runtime/service/problem.ts';
import type { NewOrder, Order } from './order.ts';
import { readBuyer, readProducts, releaseStock, reserveStock, type OrderPeers } from './peers.ts';
import type { OrderRepository } from './repository.ts';

/** Time to give stock back after a failure, when nobody waits for the answer any more. */
const RELEASE_TIMEOUT_MS = 5_000;

/**
 * Places an order: reads buyer and products, holds the stock, stores the order with its copies. An
 * order whose id is there already is answered as it is.
 *
 * @throws Problem when a rule forbids it, stock is short, or a service it needs is away
 */
export async function placeOrder(
  order: NewOrder,
  context: { orders: OrderRepository; peers: OrderPeers; signal: AbortSignal; log: Logger },
): Promise<{ order: Order; placed: boolean }> {
  const { orders, peers, signal, log } = context;
  const id = order.id ?? randomUUID();
  const existing = order.id === undefined ? undefined : await orders.find(id);
  if (existing !== undefined) return { order: sameBuyer(existing, order), placed: false };

  const productIds = order.lines.map((line) => line.product_id);
  const [buyer, offered] = await Promise.all([
    readBuyer(peers.users, order.user_id, signal),
    readProducts(peers.catalog, productIds, signal),
  ]);
  const products = productIds.flatMap((productId) => offered.get(productId) ?? []);
  const [currency, ...others] = new Set(products.map((product) => product.currency));
  if (currency === undefined || others.length > 0) {
    throw new Problem('rule-violated', 'All products of an order must have one currency.');
  }
  await reserveStock(peers.inventory, id, order.lines, signal);
  try {
    const created = await orders.create(id, order, {
      userName: buyer.name,
      userEmail: buyer.email,
      currency,
      products,
    });
    return { order: created, placed: true };
  } catch (error) {
    const other = await orders.find(id).catch(() => undefined);
    if (other !== undefined) return { order: sameBuyer(other, order), placed: false };
    // When the database went away we cannot know whether the order is stored: the stock stays held
    // and repeating the request with the same id settles it.
    if (!isDatabaseAway(error)) {
      await releaseStock(peers.inventory, id, AbortSignal.timeout(RELEASE_TIMEOUT_MS)).catch(
        (reason: unknown) => {
          log.warn({ reason: describeError(reason) }, 'stock of a refused order stays held');
        },
      );
    }
    throw error;
  }
}

function sameBuyer(existing: Order, order: NewOrder): Order {
  if (existing.user_id === order.user_id) return existing;
  throw new Problem('conflict', 'There is an order with this id already.');
}
