import { randomUUID } from 'node:crypto';
import { Problem } from '#runtime/service/problem.ts';
import type { Buyer } from './buyers.ts';
import type { NewOrder, Order } from './order.ts';
import { readBuyer, readProducts, type OrderPeers } from './peers.ts';
import type { OrderRepository } from './repository.ts';

/**
 * Stores a new order with copies of its buyer and products; its saga does the rest. With users away
 * the buyer is the one known from events. An order whose id is there already is answered as it is.
 *
 * @throws Problem when a rule forbids it or a service it needs is away
 */
export async function placeOrder(
  order: NewOrder,
  context: {
    orders: OrderRepository;
    peers: OrderPeers;
    deadlineSeconds: number;
    signal: AbortSignal;
  },
): Promise<{ order: Order; placed: boolean }> {
  const { orders, peers, deadlineSeconds, signal } = context;
  const id = order.id ?? randomUUID();
  const existing = order.id === undefined ? undefined : await orders.find(id);
  if (existing !== undefined) return { order: sameBuyer(existing, order), placed: false };

  const productIds = order.lines.map((line) => line.product_id);
  const [buyer, offered] = await Promise.all([
    buyerIfUsersAnswers(peers, order.user_id, signal),
    readProducts(peers.catalog, productIds, signal),
  ]);
  const products = productIds.flatMap((productId) => offered.get(productId) ?? []);
  const [currency, ...others] = new Set(products.map((product) => product.currency));
  if (currency === undefined || others.length > 0) {
    throw new Problem('rule-violated', 'All products of an order must have one currency.');
  }
  try {
    const created = await orders.create(
      id,
      order,
      { buyer, currency, products },
      { payment: order.payment, deadlineSeconds },
    );
    return { order: created, placed: true };
  } catch (error) {
    // Somebody sent the same id at the same time.
    const other = await orders.find(id).catch(() => undefined);
    if (other !== undefined) return { order: sameBuyer(other, order), placed: false };
    throw error;
  }
}

async function buyerIfUsersAnswers(
  { users }: OrderPeers,
  id: string,
  signal: AbortSignal,
): Promise<Buyer | undefined> {
  try {
    return await readBuyer(users, id, signal);
  } catch (error) {
    if (error instanceof Problem && error.kind === 'dependency-unavailable') return undefined;
    throw error;
  }
}

function sameBuyer(existing: Order, order: NewOrder): Order {
  if (existing.user_id === order.user_id) return existing;
  throw new Problem('conflict', 'There is an order with this id already.');
}
