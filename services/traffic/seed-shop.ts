import { createHash } from 'node:crypto';
import { z } from 'zod';
import { between, mulberry32, oneOf } from './random.ts';
import type { ServiceName, ShopClient } from './shop-client.ts';
import { FAMILY_NAMES, GIVEN_NAMES, MATERIALS, THINGS } from './vocabulary.ts';

const USER_COUNT = 20;
const WAREHOUSES = [
  { code: 'VIE1', name: 'Vienna', country: 'AT' },
  { code: 'LYS1', name: 'Lyon', country: 'FR' },
] as const;
const STOCK_PER_PRODUCT = 10_000;

const productList = z.object({ items: z.array(z.object({ id: z.string(), status: z.string() })) });
const userList = z.object({ items: z.array(z.object({ id: z.string() })) });
const levelList = z.object({
  items: z.array(z.object({ product_id: z.string(), warehouse_code: z.string() })),
});
const categoryList = z.object({
  items: z.array(z.object({ id: z.number(), slug: z.string() })),
});
const warehouseList = z.object({ items: z.array(z.object({ code: z.string() })) });

/** Always the same uuid for the same thing, so that a second start finds it instead of adding it. */
export function stableId(thing: string): string {
  const hex = createHash('sha256').update(`tributary-shop/${thing}`).digest('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

/**
 * Makes sure that the shop has something to sell and somebody to buy it: 50 products on sale, with
 * stock, and 20 users. Adds only what is missing.
 */
export async function seedShop(client: ShopClient): Promise<void> {
  const categories = await seedCategories(client);
  const productIds = await seedProducts(client, categories);
  await seedStock(client, productIds);
  await seedUsers(client);
}

async function seedCategories(client: ShopClient): Promise<Map<string, number>> {
  const read = async () => {
    const { body } = await client.call('catalog', 'GET', '/categories?limit=200');
    return new Map(categoryList.parse(body).items.map(({ slug, id }) => [slug, id]));
  };
  const existing = await read();
  for (const thing of THINGS.filter((name) => !existing.has(slugOf(name)))) {
    await add(client, 'catalog', '/categories', { slug: slugOf(thing), name: `${thing}s` });
  }
  return read();
}

async function seedProducts(
  client: ShopClient,
  categories: ReadonlyMap<string, number>,
): Promise<string[]> {
  const random = mulberry32(1);
  const products = THINGS.flatMap((thing) =>
    MATERIALS.map((material, index) => ({
      id: stableId(`product/${material}-${thing}`),
      sku: `${material}-${thing}`.toUpperCase(),
      name: `${material} ${thing}`,
      description: `A ${thing.toLowerCase()} made of ${material.toLowerCase()}.`,
      category_id: categories.get(slugOf(thing)) ?? null,
      price: `${between(random, 5, 300)}.90`,
      currency: 'EUR',
      // Beyond 2^53 now and then: a supplier's code, which must arrive digit by digit.
      barcode: index === 0 ? `90071992547409${between(random, 10_000, 99_999)}` : null,
      weight_grams: index % 2 === 0 ? between(random, 100, 9_000) : null,
      sizes: index % 2 === 1 ? [36, 38, 40] : [],
      tags: [material.toLowerCase()],
      attributes: { material, handmade: index === 3 },
    })),
  );
  const ids = products.map((product) => product.id);
  const { body } = await client.call('catalog', 'GET', `/products?ids=${ids.join(',')}`);
  const status = new Map(productList.parse(body).items.map((item) => [item.id, item.status]));
  for (const product of products) {
    if (!status.has(product.id)) await add(client, 'catalog', '/products', product);
    if ((status.get(product.id) ?? 'draft') === 'draft') {
      await add(client, 'catalog', `/products/${product.id}/publish`);
    }
  }
  return ids;
}

async function seedStock(client: ShopClient, productIds: readonly string[]): Promise<void> {
  const warehouses = await client.call('inventory', 'GET', '/warehouses');
  const codes = new Set(warehouseList.parse(warehouses.body).items.map(({ code }) => code));
  for (const { code, name, country } of WAREHOUSES.filter((item) => !codes.has(item.code))) {
    await client.call('inventory', 'PUT', `/warehouses/${code}`, { name, country });
  }
  const levels = await client.call(
    'inventory',
    'GET',
    `/stock?product_ids=${productIds.join(',')}`,
  );
  const stocked = new Set(levelList.parse(levels.body).items.map((level) => level.product_id));
  for (const [index, id] of productIds.entries()) {
    if (stocked.has(id)) continue;
    const { code } = WAREHOUSES[index % WAREHOUSES.length] ?? WAREHOUSES[0];
    await client.call('inventory', 'PUT', `/stock/${id}/${code}`, {
      on_hand: STOCK_PER_PRODUCT,
      reorder_point: index % 3 === 0 ? null : 50,
    });
  }
}

async function seedUsers(client: ShopClient): Promise<void> {
  const random = mulberry32(2);
  const users = Array.from({ length: USER_COUNT }, (_, index) => ({
    id: stableId(`user/${index + 1}`),
    email: `regular.${index + 1}@shop.example`,
    name: `${oneOf(random, GIVEN_NAMES)} ${oneOf(random, FAMILY_NAMES)}`,
    country: 'AT',
    tags: ['regular'],
  }));
  const ids = users.map((user) => user.id);
  const { body } = await client.call('users', 'GET', `/users?ids=${ids.join(',')}`);
  const existing = new Set(userList.parse(body).items.map((item) => item.id));
  for (const user of users.filter(({ id }) => !existing.has(id))) {
    await add(client, 'users', '/users', user);
  }
}

/** 409 is fine: another generator, or an answer that got lost, was quicker. */
async function add(
  client: ShopClient,
  service: ServiceName,
  path: string,
  body?: unknown,
): Promise<void> {
  const { status } = await client.call(service, 'POST', path, body);
  if (status >= 400 && status !== 409) {
    throw new Error(`${service} refused the seed data with ${status} at POST ${path}`);
  }
}

function slugOf(thing: string): string {
  return thing.toLowerCase();
}
