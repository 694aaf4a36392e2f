import { z } from 'zod';
import { BoundedPool } from './bounded-pool.ts';
import type { ServiceName, ShopClient } from './shop-client.ts';

/** Enough that choices spread, little enough that days of traffic stay small. */
const MAX_USERS = 2_000;
const MAX_ORDERS = 1_000;
const MAX_PRODUCTS = 500;

/** An order with what it takes to refund it. */
export interface PaidOrder {
  readonly orderId: string;
  readonly paymentId: string;
}

/** What the shoppers know exists: ids, in bounded numbers. */
export class KnownShop {
  readonly users = new BoundedPool<string>(MAX_USERS);
  readonly products = new BoundedPool<string>(MAX_PRODUCTS);
  readonly pendingOrders = new BoundedPool<string>(MAX_ORDERS);
  readonly paidOrders = new BoundedPool<PaidOrder>(MAX_ORDERS);
  readonly shippedOrders = new BoundedPool<PaidOrder>(MAX_ORDERS);
}

const withIds = z.object({ items: z.array(z.object({ id: z.string() })) });
const withPayments = z.object({
  items: z.array(z.object({ id: z.string(), payment_id: z.string().nullable() })),
});

/** Learns what is there from an earlier run, so that a new one goes on with it. */
export async function readKnownShop(client: ShopClient): Promise<KnownShop> {
  const known = new KnownShop();
  const ids = async (service: ServiceName, path: string) => {
    const { body } = await client.call(service, 'GET', path);
    return withIds.parse(body).items.map((item) => item.id);
  };
  for (const id of await ids('users', '/users?limit=200')) known.users.add(id);
  for (const id of await ids('catalog', '/products?status=published&limit=200')) {
    known.products.add(id);
  }
  for (const id of await ids('orders', '/orders?status=pending&limit=200')) {
    known.pendingOrders.add(id);
  }
  const { body } = await client.call('orders', 'GET', '/orders?status=paid&limit=200');
  for (const { id, payment_id: paymentId } of withPayments.parse(body).items) {
    if (paymentId !== null) known.paidOrders.add({ orderId: id, paymentId });
  }
  return known;
}
