import { parseEvent } from '#events/domain-event.ts';
import { eventTopic } from '#events/event-topic.ts';
import { applyOnce } from '#events/inbox.ts';
import { Secret } from '#runtime/config.ts';
import { createLogger } from '#runtime/log.ts';
import { openDatabase } from '#runtime/service/database.ts';
import type { TestService } from './service-harness.ts';
import { runForTest } from './service-harness.ts';
import { catalogService } from '../catalog/app.ts';
import { inventoryService } from '../inventory/app.ts';
import { ordersService } from '../orders/app.ts';
import type { OrdersConfig } from '../orders/order-work.ts';
import { SUBSCRIPTIONS } from '../orders/subscriptions.ts';
import { paymentsService } from '../payments/app.ts';
import { usersService } from '../users/app.ts';

/** The five services on one server, each on its own database. */
export interface TestShop extends AsyncDisposable {
  readonly users: TestService;
  readonly catalog: TestService;
  readonly inventory: TestService;
  readonly orders: TestService;
  readonly payments: TestService;
  /** URLs of their databases, as the services use them. */
  readonly databases: ReadonlyMap<string, string>;
}

/** Settings of orders in tests that deliver events themselves. */
export const WITHOUT_BROKER = {
  kafkaBrokers: [],
  registryUrl: 'http://127.0.0.1:9',
  orderDeadlineSeconds: 60,
  sagaLeaseSeconds: 4,
};

/**
 * Starts the shop; `createDatabase` answers the URL of a fresh database.
 *
 * @param instead - settings of orders that differ
 */
export async function openShop(
  createDatabase: (service: string) => Promise<string>,
  instead: Partial<Pick<OrdersConfig, 'usersUrl' | 'paymentsUrl' | 'orderDeadlineSeconds'>> = {},
): Promise<TestShop> {
  const databases = new Map<string, string>();
  const makeDatabase = async (service: string) => {
    const url = await createDatabase(service);
    databases.set(service, url);
    return url;
  };
  const users = await runForTest(usersService, await makeDatabase('users'), {
    emailColumn: 'email',
  });
  const catalog = await runForTest(catalogService, await makeDatabase('catalog'), {});
  const inventory = await runForTest(inventoryService, await makeDatabase('inventory'), {});
  const payments = await runForTest(paymentsService, await makeDatabase('payments'), {});
  const orders = await runForTest(ordersService, await makeDatabase('orders'), {
    usersUrl: users.url,
    catalogUrl: catalog.url,
    inventoryUrl: inventory.url,
    paymentsUrl: payments.url,
    ...WITHOUT_BROKER,
    ...instead,
  });
  return {
    users,
    catalog,
    inventory,
    orders,
    payments,
    databases,
    [Symbol.asyncDispose]: async () => {
      for (const service of [orders, payments, inventory, catalog, users]) {
        await service.running.stop();
      }
    },
  };
}

/** How {@link deliverEvents} delivers. */
export interface Delivery {
  /** Only events about these. */
  readonly only?: readonly string[];
  readonly except?: readonly string[];
  /** How often each comes. */
  readonly times?: number;
  /** Answers a number for each delivery; they come in the order of these. */
  readonly shuffle?: () => number;
}

/**
 * Brings the events in the outboxes of users and payments to orders, as the broker would; what it
 * does to them on the way is up to the test.
 */
export async function deliverEvents(shop: TestShop, how: Delivery = {}): Promise<void> {
  const open = (name: string) =>
    openDatabase({
      url: new Secret(shop.databases.get(name) ?? ''),
      applicationName: 'test',
      log: createLogger('test', 'silent'),
    });
  const orders = open('orders');
  for (const service of ['users', 'payments']) {
    const database = open(service);
    const rows = await database.query<OutboxRow>(
      'SELECT id, type, aggregateid, payload, created_at FROM messaging.outbox ORDER BY created_at',
    );
    await database.close();
    const wanted = rows.filter(
      ({ aggregateid: id }) =>
        (how.only?.includes(id) ?? true) && how.except?.includes(id) !== true,
    );
    const deliveries = Array.from({ length: how.times ?? 1 }, () => wanted)
      .flat()
      .map((row, index) => ({ row, place: how.shuffle?.() ?? index }));
    deliveries.sort((a, b) => a.place - b.place);
    for (const { row } of deliveries) {
      const subscription = SUBSCRIPTIONS.find(
        ({ topic }) => topic === eventTopic(service, row.type),
      );
      if (subscription === undefined) continue;
      const event = parseEvent(
        {
          event_id: row.id,
          event_type: row.type,
          aggregate_id: row.aggregateid,
          occurred_at: row.created_at,
          payload: JSON.stringify(row.payload),
        },
        subscription.payload,
      );
      await applyOnce(orders, 'messaging.inbox', event, async (transaction) =>
        subscription.apply(event, transaction),
      );
    }
  }
  await orders.close();
}

interface OutboxRow {
  readonly id: string;
  readonly type: string;
  readonly aggregateid: string;
  readonly payload: unknown;
  readonly created_at: string;
}

let serial = 0;

/** Signs a user up. */
export async function addUser(shop: TestShop, name = 'Ada Lind'): Promise<string> {
  serial += 1;
  const user = await shop.users.must('POST', '/users', {
    name,
    email: `buyer.${serial}@example.org`,
    country: 'SE',
  });
  return String(user['id']);
}

/** Puts a product on sale with stock. */
export async function addProduct(shop: TestShop, price: string, stock = 100): Promise<string> {
  serial += 1;
  const product = await shop.catalog.must('POST', '/products', {
    sku: `SKU-${serial}`,
    name: `Product ${serial}`,
    price,
    currency: 'EUR',
  });
  const id = String(product['id']);
  await shop.catalog.must('POST', `/products/${id}/publish`);
  await shop.inventory.must('PUT', '/warehouses/VIE1', { name: 'Vienna', country: 'AT' });
  await shop.inventory.must('PUT', `/stock/${id}/VIE1`, { on_hand: stock });
  return id;
}

/** Units on hand and reserved, summed over warehouses. */
export async function stockOf(shop: TestShop, product: string): Promise<[number, number]> {
  const { items } = await shop.inventory.must('GET', `/stock?product_ids=${product}`);
  const levels = items as { on_hand: number; reserved: number }[];
  return [
    levels.reduce((sum, level) => sum + level.on_hand, 0),
    levels.reduce((sum, level) => sum + level.reserved, 0),
  ];
}
