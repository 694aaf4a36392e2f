import { Validator } from '@seriousme/openapi-schema-validator';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { createLogger } from '#runtime/log.ts';
import { startPostgres, type PostgresServer } from '../pipeline/testing/postgres-server.ts';
import { startGateway, type RunningGateway } from './gateway/app.ts';
import { orderHistoryService } from './order-history/app.ts';
import { arbitraryRequest, replyShapes } from './testing/arbitrary-request.ts';
import { runForTest, type TestService } from './testing/service-harness.ts';
import { addProduct, addUser, openShop, type TestShop } from './testing/test-shop.ts';

let server: PostgresServer;
let shop: TestShop;
let gateway: RunningGateway;
let history: TestService;
let known: string[];
beforeAll(async () => {
  server = await startPostgres();
  shop = await openShop(async (name) => (await server.createDatabase(name)).url);
  gateway = await startGateway(
    {
      port: 0,
      listenHost: '127.0.0.1',
      logLevel: 'silent',
      usersUrl: shop.users.url,
      catalogUrl: shop.catalog.url,
      ordersUrl: shop.orders.url,
    },
    createLogger('test', 'silent'),
  );
  history = await runForTest(
    orderHistoryService(),
    (await server.createDatabase('order-history')).url,
    { kafkaBrokers: [], registryUrl: 'http://127.0.0.1:9' },
  );
  // It makes its tables by itself; without a broker they stay empty.
  await vi.waitFor(async () => history.must('GET', '/order-history'));
  const [user, product] = [await addUser(shop), await addProduct(shop, '5.00', 1_000)];
  const order = await shop.orders.must('POST', '/orders', {
    user_id: user,
    lines: [{ product_id: product, quantity: 1 }],
  });
  const { items } = await shop.orders.must('GET', '/sagas');
  const sagas = (items as { id: string }[]).map(({ id }) => id);
  known = [user, product, String(order['id']), String(order['payment_id']), ...sagas];
});
afterAll(async () => {
  await gateway.stop();
  await history.running.stop();
  await shop[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

const APIS = [
  'users',
  'catalog',
  'inventory',
  'orders',
  'payments',
  'gateway',
  'order-history',
] as const;

describe.each(APIS)('%s', (name) => {
  const url = () => {
    if (name === 'order-history') return history.url;
    return name === 'gateway' ? `http://127.0.0.1:${gateway.port}` : shop[name].url;
  };
  const document = async () =>
    (await (await fetch(`${url()}/api/openapi.json`)).json()) as Record<string, unknown>;

  test('has a valid OpenAPI document, and a page that shows it', async () => {
    const { valid, errors } = await new Validator().validate(await document());
    expect(errors ?? []).toEqual([]);
    expect(valid).toBe(true);
    const page = await fetch(`${url()}/api/`);
    expect(await page.text()).toContain('swagger-ui');
    const start = await fetch(`${url()}/api/swagger-initializer.js`);
    expect(await start.text()).toContain('openapi.json');
  });

  test('answers whatever is sent as its document says, and never 5xx', async () => {
    const api = await document();
    const replies = replyShapes(api);
    const answered = new Set<string>();
    await fc.assert(
      fc.asyncProperty(arbitraryRequest(api, known), async ({ operation, method, path, body }) => {
        const response = await fetch(`${url()}${path}`, {
          method,
          ...(body === undefined
            ? {}
            : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
        });
        const text = await response.text();
        expect(response.status, text).toBeLessThan(500);
        if (response.status >= 400) {
          expect(response.headers.get('content-type')).toMatch(/^application\/problem\+json/);
          return;
        }
        answered.add(operation);
        const shape = replies.get(operation);
        const issues = shape?.safeParse(JSON.parse(text)).error?.issues ?? [];
        expect(issues, `${operation}: ${text}`).toEqual([]);
      }),
      { numRuns: 1_000 },
    );
    // Else it would only be shown that everything is refused.
    const operations = Object.values(api['paths'] as object).flatMap((path: object) =>
      Object.keys(path),
    );
    expect(answered.size, [...answered].join(', ')).toBeGreaterThanOrEqual(
      Math.floor(operations.length / 3),
    );
  });
});
