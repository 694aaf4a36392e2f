import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startPostgres, type PostgresServer } from '../pipeline/testing/postgres-server.ts';
import { catalogService } from './catalog/app.ts';
import { inventoryService } from './inventory/app.ts';
import { ordersService } from './orders/app.ts';
import { paymentsService } from './payments/app.ts';
import { runForTest, type TestService } from './testing/service-harness.ts';
import { WITHOUT_BROKER } from './testing/test-shop.ts';
import { usersService } from './users/app.ts';

const nowhere = 'http://127.0.0.1:9';
const orderUrls = {
  usersUrl: nowhere,
  catalogUrl: nowhere,
  inventoryUrl: nowhere,
  paymentsUrl: nowhere,
  ...WITHOUT_BROKER,
};

const services = [
  {
    list: '/users',
    item: '/users/%ZZ',
    start: async (url: string) => runForTest(usersService, url, { emailColumn: 'email' }),
  },
  {
    list: '/products',
    item: '/products/%ZZ',
    start: async (url: string) => runForTest(catalogService, url, {}),
  },
  {
    list: '/stock',
    item: '/stock/%ZZ/VIE1',
    start: async (url: string) => runForTest(inventoryService, url, {}),
  },
  {
    list: '/orders',
    item: '/orders/%ZZ',
    start: async (url: string) => runForTest(ordersService, url, orderUrls),
  },
  {
    list: '/payments',
    item: '/payments/%ZZ',
    start: async (url: string) => runForTest(paymentsService, url, {}),
  },
];

let server: PostgresServer;
beforeAll(async () => {
  server = await startPostgres({ dedicated: true });
});
afterAll(async () => server[Symbol.asyncDispose]());

async function query(url: string, text: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(text)).rows;
  } finally {
    await client.end();
  }
}

/** Repeats the request until it is answered so. */
async function eventually(
  service: TestService,
  method: string,
  path: string,
  status: number,
): Promise<void> {
  const deadline = Date.now() + 15_000;
  for (;;) {
    const answer = await service.call(method, path);
    if (answer.status === status) return;
    if (Date.now() > deadline) throw new Error(`${path} is still answered ${answer.status}`);
  }
}

describe.each(services)('the service with $list', ({ list, item, start }) => {
  const name = list.slice(1);
  let service: TestService;
  let databaseUrl: string;

  beforeAll(async () => {
    databaseUrl = (await server.createDatabase(name)).url;
    // Two processes at once on a fresh database: both must come up.
    const [first, second] = await Promise.all([start(databaseUrl), start(databaseUrl)]);
    await second.running.stop();
    service = first;
  });
  afterAll(async () => service[Symbol.asyncDispose]());

  test('applies each migration once although two processes started together', async () => {
    const applied = await query(databaseUrl, 'SELECT name FROM migrations.applied ORDER BY id');
    expect(applied.length).toBeGreaterThan(0);
    expect(new Set(applied.map((row) => row['name'])).size).toBe(applied.length);
    await using again = await start(databaseUrl);
    expect((await again.call('GET', list)).status).toBe(200);
    expect(await query(databaseUrl, 'SELECT name FROM migrations.applied ORDER BY id')).toEqual(
      applied,
    );
  });

  test('gives every table in public a primary key and the default replica identity', async () => {
    const tables = await query(
      databaseUrl,
      `SELECT relname, relreplident, EXISTS (
         SELECT FROM pg_index WHERE indrelid = pg_class.oid AND indisprimary) AS has_key
       FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'`,
    );
    expect(tables.length).toBeGreaterThan(0);
    for (const table of tables) expect(table).toMatchObject({ relreplident: 'd', has_key: true });
  });

  test.each([
    ['GET', '/no-such-thing', 404],
    ['GET', `${list}?limit=0`, 400],
    ['GET', `${list}?limit=ten`, 400],
    ['GET', `${list}?colour=red`, 400],
    ['GET', `${list}?cursor=bm90IG91cnM`, 400],
    ['GET', item, 400],
    ['DELETE', list, 405],
    ['DELETE', '/health/ready', 405],
  ])('answers %s %s with a problem document', async (method, path, status) => {
    const answer = await service.call(method, path);
    expect(answer.status).toBe(status);
    expectProblem(answer, status);
    if (status === 405) expect(answer.headers.get('allow')).toContain('GET');
  });

  test('survives its database stopping and starting again', async () => {
    expect((await service.call('GET', '/health/ready')).status).toBe(200);
    await server.stop('immediate');
    try {
      const answer = await service.call('GET', list);
      expectProblem(answer, 503);
      expect(answer.headers.get('retry-after')).toBe('1');
      expectProblem(await service.call('GET', '/health/ready'), 503);
      expect((await service.call('GET', '/health/live')).status).toBe(200);
    } finally {
      await server.start();
    }
    await eventually(service, 'GET', '/health/ready', 200);
    await eventually(service, 'GET', list, 200);
  });
});

function expectProblem(answer: Awaited<ReturnType<TestService['call']>>, status: number): void {
  expect(answer.status).toBe(status);
  expect(answer.headers.get('content-type')).toMatch(/^application\/problem\+json/);
  expect(answer.body).toMatchObject({
    status,
    type: expect.stringMatching(/^urn:tributary:problem:/) as string,
    title: expect.any(String) as string,
    detail: expect.any(String) as string,
  });
  expect(answer.text).not.toMatch(/SELECT|node_modules|\.ts:|postgres:\/\//);
}
