import type { TestService } from './service-harness.ts';
import { runForTest } from './service-harness.ts';
import { catalogService } from '../catalog/app.ts';
import { inventoryService } from '../inventory/app.ts';
import { ordersService } from '../orders/app.ts';
import { paymentsService } from '../payments/app.ts';
import { usersService } from '../users/app.ts';

/** The five services on one server, each on its own database. */
export interface TestShop extends AsyncDisposable {
  readonly users: TestService;
  readonly catalog: TestService;
  readonly inventory: TestService;
  readonly orders: TestService;
  readonly payments: TestService;
}

/** Starts the shop; `makeDatabase` answers the URL of a fresh database. */
export async function openShop(
  makeDatabase: (service: string) => Promise<string>,
): Promise<TestShop> {
  const users = await runForTest(usersService, await makeDatabase('users'), {});
  const catalog = await runForTest(catalogService, await makeDatabase('catalog'), {});
  const inventory = await runForTest(inventoryService, await makeDatabase('inventory'), {});
  const orders = await runForTest(ordersService, await makeDatabase('orders'), {
    usersUrl: users.url,
    catalogUrl: catalog.url,
    inventoryUrl: inventory.url,
  });
  const payments = await runForTest(paymentsService, await makeDatabase('payments'), {
    ordersUrl: orders.url,
  });
  return {
    users,
    catalog,
    inventory,
    orders,
    payments,
    [Symbol.asyncDispose]: async () => {
      for (const service of [payments, orders, inventory, catalog, users]) {
        await service.running.stop();
      }
    },
  };
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
