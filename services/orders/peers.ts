import { z } from 'zod';
import type { Peer } from '#runtime/service/peer.ts';
import { Problem } from '#runtime/service/problem.ts';
import type { Buyer } from './buyers.ts';

/** What orders reads of a user; other fields are none of its business. */
const userShape = z.object({
  name: z.string(),
  email: z.string(),
  status: z.string(),
  version: z.int(),
});
const productShape = z.object({
  id: z.string(),
  name: z.string(),
  price: z.string(),
  currency: z.string(),
  status: z.string(),
});
const productsShape = z.object({ items: z.array(productShape) });

/** A product, as orders sees one. */
export type OfferedProduct = z.output<typeof productShape>;

/** The services that orders asks. */
export interface OrderPeers {
  readonly users: Peer;
  readonly catalog: Peer;
  readonly inventory: Peer;
  readonly payments: Peer;
}

/** @throws Problem `rule-violated` for a user who is not there or may not order */
export async function readBuyer(users: Peer, id: string, signal: AbortSignal): Promise<Buyer> {
  const user = await users.get(userShape, { path: `/users/${id}`, signal });
  if (user === undefined) throw new Problem('rule-violated', 'There is no such user.');
  if (user.status !== 'active') {
    throw new Problem('rule-violated', `A user who is ${user.status} cannot order.`);
  }
  return user;
}

/**
 * Reads the products by one call, however many there are.
 *
 * @throws Problem `rule-violated` naming those that are not on sale
 */
export async function readProducts(
  catalog: Peer,
  ids: readonly string[],
  signal: AbortSignal,
): Promise<Map<string, OfferedProduct>> {
  const wanted = [...new Set(ids)];
  const page = await catalog.get(productsShape, {
    path: `/products?ids=${wanted.join(',')}`,
    signal,
  });
  const offered = new Map(
    (page?.items ?? [])
      .filter((product) => product.status === 'published')
      .map((product) => [product.id, product]),
  );
  const missing = wanted.filter((id) => !offered.has(id));
  if (missing.length > 0) {
    throw new Problem('rule-violated', 'Some of the products are not on sale.', {
      extras: { product_ids: missing },
    });
  }
  return offered;
}
