import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startPostgres, type PostgresServer } from '../../pipeline/testing/postgres-server.ts';
import { runForTest, type TestService } from '../testing/service-harness.ts';
import { addProduct, openShop, type TestShop } from '../testing/test-shop.ts';
import { usersService } from './app.ts';
import { contract, expand } from './rename-email.ts';

let server: PostgresServer;
let shop: TestShop;
let balancer: Server;
/** Where the load balancer sends requests, in turn. */
let targets: string[] = [];
let databaseUrl: string;

beforeAll(async () => {
  server = await startPostgres();
  let turn = 0;
  balancer = createServer((request, response) => {
    void (async () => {
      const target = targets[(turn += 1) % targets.length] ?? '';
      const body = Buffer.concat((await request.toArray()) as Buffer[]);
      const answer = await fetch(`${target}${request.url ?? ''}`, {
        method: request.method ?? 'GET',
        headers: { 'content-type': 'application/json' },
        ...(body.length === 0 ? {} : { body }),
      });
      response.writeHead(answer.status).end(await answer.text());
    })().catch(() => response.destroy());
  });
  balancer.listen(0, '127.0.0.1');
  await once(balancer, 'listening');
  const usersUrl = `http://127.0.0.1:${(balancer.address() as AddressInfo).port}`;
  shop = await openShop(async (name) => (await server.createDatabase(name)).url, { usersUrl });
  targets = [shop.users.url];
  databaseUrl = shop.databases.get('users') ?? '';
});
afterAll(async () => {
  balancer.close();
  balancer.closeAllConnections();
  await shop[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

/** People who sign up, change their address and order, until told to stop. */
function startTraffic(product: string) {
  const addresses = new Map<string, string>();
  const failures: string[] = [];
  const { port } = balancer.address() as AddressInfo;
  const users = `http://127.0.0.1:${port}`;
  let done = 0;
  const stopping = new AbortController();
  const call = async (url: string, method: string, path: string, body?: object) => {
    const response = await fetch(`${url}${path}`, {
      method,
      headers: { 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (response.status >= 300) failures.push(`${method} ${path}: ${response.status} ${text}`);
    return JSON.parse(text) as Record<string, unknown>;
  };
  const person = async () => {
    while (!stopping.signal.aborted) {
      const email = `${randomUUID()}@example.org`;
      const user = await call(users, 'POST', '/users', { name: 'Ada', email, country: 'SE' });
      const id = String(user['id']);
      const changed = `${randomUUID()}@example.org`;
      await call(users, 'PATCH', `/users/${id}`, { email: changed });
      const read = await call(users, 'GET', `/users/${id}`);
      if (read['email'] !== changed) failures.push(`${id} has another address`);
      addresses.set(id, changed);
      const lines = [{ product_id: product, quantity: 1 }];
      const order = await call(shop.orders.url, 'POST', '/orders', { user_id: id, lines });
      if (order['user_email'] !== changed) failures.push('an order has another address');
      done += 1;
    }
  };
  const people = Promise.all([person(), person(), person()]);
  return {
    addresses,
    failures,
    /** Waits until so many people more have come. */
    goesOn: async (count: number) => {
      const before = done;
      await expect.poll(() => done - before, { timeout: 30_000 }).toBeGreaterThan(count);
    },
    stop: async () => {
      stopping.abort();
      await people;
    },
  };
}

async function columns(): Promise<string[]> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  const { rows } = await client.query<{ attname: string }>(
    `SELECT attname FROM pg_attribute
     WHERE attrelid = 'users'::regclass AND attnum > 0 AND NOT attisdropped`,
  );
  await client.end();
  return rows.map(({ attname }) => attname);
}

async function startNew(): Promise<TestService> {
  return runForTest(usersService, databaseUrl, { emailColumn: 'primary_email' });
}

test('renames a column while people sign up and order: nobody else is touched, nothing fails', async () => {
  const traffic = startTraffic(await addProduct(shop, '1.00', 100_000));
  await traffic.goesOn(20);
  await expand(databaseUrl);
  await expand(databaseUrl);
  await traffic.goesOn(10);
  await using renewed = await startNew();
  // Old and new processes side by side, as in every rollout.
  targets = [shop.users.url, renewed.url];
  await traffic.goesOn(20);
  targets = [renewed.url];
  await traffic.goesOn(10);
  await shop.users.running.stop();
  await contract(databaseUrl);
  await contract(databaseUrl);
  await traffic.goesOn(20);
  await traffic.stop();
  expect(traffic.failures).toEqual([]);

  expect(await columns()).toEqual(expect.arrayContaining(['primary_email', 'secondary_email']));
  expect(await columns()).not.toContain('email');
  for (const [id, email] of traffic.addresses) {
    expect(await renewed.must('GET', `/users/${id}`)).toMatchObject({
      email,
      secondary_email: null,
    });
  }
  const [first, second] = [...traffic.addresses.keys()];
  const taken = traffic.addresses.get(String(first));
  const change = { secondary_email: 'second@example.org' };
  expect(await renewed.must('PATCH', `/users/${String(first)}`, change)).toMatchObject(change);
  expect((await renewed.call('PATCH', `/users/${String(second)}`, { email: taken })).status).toBe(
    409,
  );
});
