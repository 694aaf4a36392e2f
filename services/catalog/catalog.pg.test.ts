import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startPostgres, type PostgresServer } from '../../pipeline/testing/postgres-server.ts';
import { readAll, runForTest, type TestService } from '../testing/service-harness.ts';
import { catalogService } from './app.ts';

let server: PostgresServer;
let catalog: TestService;
beforeAll(async () => {
  server = await startPostgres();
  catalog = await runForTest(catalogService, (await server.createDatabase('catalog')).url, {});
});
afterAll(async () => {
  await catalog[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

let serial = 0;
async function addProduct(fields: Record<string, unknown> = {}): Promise<string> {
  serial += 1;
  const product = { sku: `SKU-${serial}`, name: 'Oak chair', price: '19.90', currency: 'EUR' };
  return String((await catalog.must('POST', '/products', { ...product, ...fields }))['id']);
}

test('gives prices, bigints and arrays back exactly as they were stored', async () => {
  const fields = {
    price: '9999999999.99',
    barcode: '9007199254740993',
    sizes: [36, 38],
    tags: ['a,b', '{c}'],
    attributes: { wood: 'oak' },
    available_from: '2026-02-28',
    weight_grams: null,
  };
  const id = await addProduct(fields);
  expect(await catalog.must('GET', `/products/${id}`)).toMatchObject({
    ...fields,
    status: 'draft',
    published_at: null,
  });
});

test('keeps each price that a product had', async () => {
  const id = await addProduct({ price: '10' });
  await catalog.must('PATCH', `/products/${id}`, { price: '10.00' });
  await catalog.must('PATCH', `/products/${id}`, { price: '12.5', name: 'Oak stool' });
  await catalog.must('PATCH', `/products/${id}`, { price: '0.10' });
  const history = await readAll(catalog, `/products/${id}/price-changes?limit=1`);
  expect(history).toMatchObject([
    { old_price: '12.50', new_price: '0.10' },
    { old_price: '10.00', new_price: '12.50' },
  ]);
});

test('forgets a price change whose update was refused', async () => {
  const id = await addProduct();
  const stale = await catalog.call(
    'PATCH',
    `/products/${id}`,
    { price: '1' },
    { 'if-match': '"9"' },
  );
  expect(stale.status).toBe(412);
  expect(await readAll(catalog, `/products/${id}/price-changes?limit=9`)).toEqual([]);
  expect(await catalog.must('GET', `/products/${id}`)).toMatchObject({ price: '19.90' });
});

test('publishes a draft, retires it for good, and does not mind being asked twice', async () => {
  const id = await addProduct();
  const published = await catalog.must('POST', `/products/${id}/publish`);
  expect(published).toMatchObject({ status: 'published', version: 2 });
  expect(await catalog.must('POST', `/products/${id}/publish`)).toEqual(published);
  expect(await catalog.must('POST', `/products/${id}/retire`)).toMatchObject({ status: 'retired' });
  expect((await catalog.call('POST', `/products/${id}/publish`)).status).toBe(409);
  expect((await catalog.call('POST', `/products/${crypto.randomUUID()}/retire`)).status).toBe(404);
});

test('refuses a taken SKU, a category that is not there and prices that are none', async () => {
  await addProduct({ sku: 'TAKEN' });
  const add = async (fields: Record<string, unknown>) =>
    (
      await catalog.call('POST', '/products', {
        sku: 'FREE',
        name: 'Oak chair',
        price: '1',
        currency: 'EUR',
        ...fields,
      })
    ).status;
  expect(await add({ sku: 'TAKEN' })).toBe(409);
  expect(await add({ category_id: 999_999 })).toBe(422);
  for (const price of ['0', '0.00', '-1', '1.999', '12345678901', '1e3', 'NaN', 1]) {
    expect(await add({ price })).toBe(400);
  }
});

test('lists every product of a status once', async () => {
  const ids = new Set<string>();
  for (let index = 0; index < 7; index += 1) {
    const id = await addProduct();
    ids.add(id);
    await catalog.must('POST', `/products/${id}/publish`);
  }
  const seen = await readAll(catalog, '/products?limit=2&status=published', async () => {
    await catalog.must('POST', `/products/${await addProduct()}/publish`);
  });
  const seenIds = seen.map((product) => String(product['id']));
  expect(new Set(seenIds).size).toBe(seenIds.length);
  expect([...ids].filter((id) => !seenIds.includes(id))).toEqual([]);
  expect(seen.every((product) => product['status'] === 'published')).toBe(true);
});

test('looks 1,500 products up at once, and no more', async () => {
  const id = await addProduct();
  const ids = [id, ...Array.from({ length: 1_499 }, () => randomUUID())];
  expect(await catalog.must('POST', '/products/lookup', { ids })).toEqual({
    items: [
      {
        id,
        sku: `SKU-${serial}`,
        name: 'Oak chair',
        price: '19.90',
        currency: 'EUR',
        status: 'draft',
      },
    ],
  });
  const more = { ids: [...ids, randomUUID()] };
  expect((await catalog.call('POST', '/products/lookup', more)).status).toBe(400);
});
