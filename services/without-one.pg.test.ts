import { createLogger } from '#runtime/log.ts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startPostgres, type PostgresServer } from '../pipeline/testing/postgres-server.ts';
import { startGateway, type RunningGateway } from './gateway/app.ts';
import {
  addProduct,
  addUser,
  deliverEvents,
  openShop,
  type TestShop,
} from './testing/test-shop.ts';

/*
 * What still works while one service is away. services/README.md has the same table.
 */

/** What people do in the shop, and with which words it ends. */
const DEEDS = ['sign up', 'browse', 'place an order', 'list orders', 'ship', 'cancel'] as const;
type Deed = (typeof DEEDS)[number];

const WITHOUT: readonly { readonly away: ServiceName; readonly ends: Record<Deed, string> }[] = [
  {
    away: 'users',
    ends: {
      'sign up': 'away',
      browse: 'works',
      'place an order': 'works, marked stale',
      'list orders': 'works, marked stale',
      ship: 'works',
      cancel: 'works',
    },
  },
  {
    away: 'catalog',
    ends: {
      'sign up': 'works',
      browse: 'away',
      'place an order': 'away',
      'list orders': 'works, marked stale',
      ship: 'works',
      cancel: 'works',
    },
  },
  {
    away: 'inventory',
    ends: {
      'sign up': 'works',
      browse: 'works',
      'place an order': 'waits',
      'list orders': 'works',
      ship: 'works',
      cancel: 'waits',
    },
  },
  {
    away: 'payments',
    ends: {
      'sign up': 'works',
      browse: 'works',
      'place an order': 'waits',
      'list orders': 'works',
      ship: 'works',
      cancel: 'waits',
    },
  },
  {
    away: 'orders',
    ends: {
      'sign up': 'works',
      browse: 'works',
      'place an order': 'away',
      'list orders': 'away',
      ship: 'away',
      cancel: 'away',
    },
  },
];
type ServiceName = 'users' | 'catalog' | 'inventory' | 'payments' | 'orders';

let server: PostgresServer;
beforeAll(async () => {
  server = await startPostgres();
});
afterAll(async () => server[Symbol.asyncDispose]());

describe.each(WITHOUT)('without $away', ({ away, ends }) => {
  let shop: TestShop;
  let gateway: RunningGateway;
  let user: string;
  let product: string;
  const paid: string[] = [];

  beforeAll(async () => {
    shop = await openShop(async (name) => (await server.createDatabase(`${name}_${away}`)).url);
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
    [user, product] = [await addUser(shop), await addProduct(shop, '5.00')];
    await deliverEvents(shop);
    for (let index = 0; index < 2; index += 1) {
      paid.push(String((await shop.orders.must('POST', '/orders', newOrder()))['id']));
    }
    await shop[away].running.stop();
  });
  afterAll(async () => {
    await gateway.stop();
    await shop[Symbol.asyncDispose]();
  });

  const newOrder = () => ({ user_id: user, lines: [{ product_id: product, quantity: 1 }] });

  /** The answer's status and body; `away` when nobody is there. */
  async function ask(url: string, method: string, path: string, body?: object) {
    const response = await fetch(`${url}${path}`, {
      method,
      headers: { 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    }).catch(() => undefined);
    if (response === undefined || response.status === 503) return 'away' as const;
    expect(response.status).toBeLessThan(300);
    return (await response.json()) as Record<string, unknown>;
  }

  const deeds: Record<Deed, () => Promise<string>> = {
    'sign up': async () => {
      const email = `somebody.${away}@example.org`;
      const body = { name: 'Somebody', email, country: 'SE' };
      const answer = await ask(shop.users.url, 'POST', '/users', body);
      return answer === 'away' ? answer : 'works';
    },
    browse: async () => {
      const answer = await ask(shop.catalog.url, 'GET', '/products?status=published');
      return answer === 'away' ? answer : 'works';
    },
    'place an order': async () => {
      const answer = await ask(shop.orders.url, 'POST', '/orders', newOrder());
      if (answer === 'away') return answer;
      if (answer['status'] === 'pending') return 'waits';
      expect(answer['status']).toBe('paid');
      return answer['buyer_stale'] === true ? 'works, marked stale' : 'works';
    },
    'list orders': async () => {
      const answer = await ask(`http://127.0.0.1:${gateway.port}`, 'GET', '/orders');
      if (answer === 'away') return answer;
      expect(answer['items']).not.toEqual([]);
      return (answer['unavailable'] as string[]).length > 0 ? 'works, marked stale' : 'works';
    },
    ship: async () => {
      const answer = await ask(shop.orders.url, 'POST', `/orders/${paid[0] ?? ''}/ship`);
      if (answer === 'away') return answer;
      expect(answer['status']).toBe('shipped');
      return 'works';
    },
    cancel: async () => {
      const answer = await ask(shop.orders.url, 'POST', `/orders/${paid[1] ?? ''}/cancel`, {});
      if (answer === 'away') return answer;
      return answer['status'] === 'refunded' ? 'works' : 'waits';
    },
  };

  test.each(DEEDS)('%s', async (deed) => {
    expect(await deeds[deed]()).toBe(ends[deed]);
  });
});
