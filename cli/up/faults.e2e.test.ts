import { rmSync } from 'node:fs';
import { resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Secret } from '#runtime/config.ts';
import { compareSources, describeComparisons, waitUntilEqual } from './compare-sources.ts';
import { connectSources } from './connect-sources.ts';
import { localAddresses, shopSourceUrls } from '../local-environment.ts';
import type { Catalog } from '../../pipeline/catalog/catalog.ts';
import { loadCatalog } from '../../pipeline/catalog/load-catalog.ts';
import { connectWarehouse, type Warehouse } from '../../pipeline/sink/clickhouse-client.ts';
import { agrees } from '../../pipeline/verify/verify-table.ts';
import { signalGroup } from '../../local/process-identity.ts';
import { RunRecords } from '../../local/run-records.ts';
import { loadLocalSettings, statePath } from '../../local/settings.ts';
import { shopDatabases, Stack } from '../../local/stack.ts';

/*
 * Bad things that must end well: each is done to the running system under traffic, and afterwards
 * every row of every service must be in the warehouse, exactly.
 */

const stateDir = resolve(import.meta.dirname, '..', '..', '.tributary', 'test', 'chaos');
const settings = loadLocalSettings({
  PATH: process.env['PATH'],
  HOME: process.env['HOME'],
  JAVA_HOME: process.env['JAVA_HOME'],
  TRIBUTARY_STATE_DIR: stateDir,
  TRIBUTARY_PORT_OFFSET: '1000',
});
const never = new AbortController().signal;
const EQUAL_DEADLINE_MS = 120_000;

let stack: Stack;
let catalog: Catalog;
let warehouse: Warehouse;

beforeAll(async () => {
  await new RunRecords(statePath(settings, 'run')).clearLeftovers();
  rmSync(stateDir, { recursive: true, force: true });
  const urls = await shopSourceUrls(settings);
  catalog = await loadCatalog('tributary.yaml', urls);
  const addresses = localAddresses(settings);
  warehouse = connectWarehouse(
    { url: addresses['CLICKHOUSE_URL'] ?? '', user: 'default', password: new Secret('') },
    'test',
  );
  stack = new Stack({
    settings,
    shop: true,
    traffic: { rate: 30, actions: 0, seed: 7 },
    sourceUrls: urls,
    applyConnectors: async (signal) => {
      const databases = await shopDatabases(settings);
      await connectSources({
        catalog,
        connectUrl: addresses['CONNECT_URL'] ?? '',
        secretsDir: statePath(settings, 'secrets'),
        adminUrls: new Map([...databases].map(([name, { ownAdminUrl }]) => [name, ownAdminUrl])),
        signal,
      });
    },
    onProgress: () => undefined,
    onFailure: (error) => {
      throw error;
    },
  });
  await stack.start(never);
});

afterAll(async () => {
  await stack.stop();
  await warehouse.close();
});

/** Rows of all service tables together: rises while traffic flows. */
async function sourceRows(): Promise<number> {
  const comparisons = await compareSources(catalog, warehouse);
  return comparisons.reduce((sum, { sourceRows: rows }) => sum + rows, 0);
}

/** Waits until traffic has written something more. */
async function trafficGoesOn(): Promise<void> {
  const { ownAdminUrl } = (await shopDatabases(settings)).get('inventory') ?? {};
  const client = new pg.Client({ connectionString: ownAdminUrl?.reveal() });
  await client.connect();
  const written = async () => {
    const { rows } = await client.query<{ n: string }>('SELECT count(*) AS n FROM stock_movements');
    return Number(rows[0]?.n ?? 0);
  };
  const before = await written();
  while ((await written()) < before + 20) await delay(100);
  await client.end();
}

/** Holds the customers still meanwhile. */
async function whileTrafficRests(act: () => Promise<void>): Promise<void> {
  const { pid } = stack.process('traffic');
  if (pid === undefined) throw new Error('there is no traffic');
  signalGroup(pid, 'SIGSTOP');
  try {
    await act();
  } finally {
    signalGroup(pid, 'SIGCONT');
  }
}

async function expectAgreement(): Promise<void> {
  const comparisons = await waitUntilEqual(catalog, warehouse, EQUAL_DEADLINE_MS, never);
  expect(comparisons.every(agrees), describeComparisons(comparisons)).toBe(true);
  expect(comparisons.length).toBeGreaterThanOrEqual(10);
}

/** Compares every row of every table, with the customers held still. */
async function expectEqual(): Promise<void> {
  await whileTrafficRests(expectAgreement);
}

test('every table of every service is in the warehouse, row by row', async () => {
  await trafficGoesOn();
  await expectEqual();
  expect(await sourceRows()).toBeGreaterThan(100);
});

test('the join across two services runs as in a shared database and returns the right rows', async () => {
  const databases = await shopDatabases(settings);
  const read = async (service: 'orders' | 'users', sql: string) => {
    const client = new pg.Client({
      connectionString: databases.get(service)?.ownAdminUrl.reveal(),
    });
    await client.connect();
    const { rows } = await client.query<Record<string, string>>(sql);
    await client.end();
    return rows;
  };
  const pending = () =>
    read('orders', "SELECT id, total, user_id FROM orders WHERE status = 'pending'");
  while ((await pending()).length < 3) await trafficGoesOn();
  await whileTrafficRests(async () => {
    await expectAgreement();
    const result = await warehouse.query({
      query: `SELECT o.id, o.total, u.name, u.email FROM orders.orders o JOIN users.users u ON o.user_id = u.id WHERE o.status = 'pending'`,
      format: 'JSONCompactEachRow',
      clickhouse_settings: { output_format_json_quote_decimals: 1 },
    });
    const joined = await result.json<[string, string, string, string]>();
    const users = new Map(
      (await read('users', 'SELECT id, name, email FROM users')).map((user) => [user['id'], user]),
    );
    const expected = (await pending()).flatMap((order) => {
      const user = users.get(order['user_id']);
      return user === undefined
        ? []
        : [`${order['id']} ${Number(order['total'])} ${user['name']} ${user['email']}`];
    });
    expect(expected.length).toBeGreaterThan(0);
    expect(
      joined.map(([id, total, name, email]) => `${id} ${Number(total)} ${name} ${email}`).sort(),
    ).toEqual(expected.sort());
  });
});

test('the pipeline killed again and again', async () => {
  for (let life = 0; life < 3; life += 1) {
    await trafficGoesOn();
    await stack.process('transformer').kill();
    await stack.process('transformer').healthy();
  }
  await expectEqual();
  // No change is in a change log twice, merged or not: each life went on where the last one ended.
  const result = await warehouse.query({
    query: `SELECT count() AS n, uniqExact(_partition, _offset) AS once FROM changes.inventory__stock_movements`,
    format: 'JSONEachRow',
  });
  const [counts] = await result.json<{ n: string; once: string }>();
  expect(counts?.n).toBe(counts?.once);
});

test('ClickHouse away for a minute', async () => {
  await stack.process('warehouse').stop();
  await delay(60_000);
  await trafficGoesOn();
  await stack.process('warehouse').start();
  await expectEqual();
});

test('ClickHouse killed in the middle of inserts', async () => {
  await trafficGoesOn();
  await stack.process('warehouse').kill();
  await stack.process('warehouse').healthy();
  await expectEqual();
});

test('Connect killed, and the changes of the time without it arrive', async () => {
  await stack.process('connect').kill();
  await trafficGoesOn();
  await stack.process('connect').healthy();
  await expectEqual();
});

test('the broker killed', async () => {
  await stack.process('kafka').kill();
  await stack.process('kafka').healthy();
  await trafficGoesOn();
  await expectEqual();
});

test('the pipeline started before broker and registry', async () => {
  await stack.process('transformer').stop();
  await stack.process('connect').stop();
  await stack.process('registry').stop();
  await stack.process('kafka').stop();
  await stack.process('transformer').start();
  await trafficGoesOn();
  await stack.process('kafka').start();
  await stack.process('connect').start();
  // Connect and pipeline run, and neither can reach the registry yet.
  await trafficGoesOn();
  await stack.process('registry').start();
  await expectEqual();
});
