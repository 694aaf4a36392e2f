import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ClickHouseClient } from '@clickhouse/client';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Secret } from '#runtime/config.ts';
import { createLogger } from '#runtime/log.ts';
import { migrate } from '../../warehouse/migrate.ts';
import {
  startEmbeddedWarehouse,
  type EmbeddedWarehouse,
} from '../../warehouse/testing/embedded-server.ts';
import type { DriftRule } from '../catalog/drift-rule.ts';
import { connectWarehouse } from '../sink/clickhouse-client.ts';
import { Alerting } from './alerting.ts';
import { circumstances } from './circumstances.ts';
import type { Finding } from './finding.ts';
import { createDriftStore, type DriftStore } from './store.ts';

const log = createLogger('test', 'silent');
const BEGAN = Date.UTC(2026, 2, 1, 10);

let embedded: EmbeddedWarehouse;
let warehouse: ClickHouseClient;
let store: DriftStore;
let hook: Server;
/** Bodies of what was told, and whether the receiver takes it. */
const told: { path: string; body: unknown }[] = [];
let answer = 200;

beforeAll(async () => {
  embedded = await startEmbeddedWarehouse();
  warehouse = connectWarehouse(
    { url: embedded.url, user: 'default', password: new Secret('') },
    'test',
  );
  await migrate(warehouse, { log, signal: new AbortController().signal });
  store = createDriftStore(warehouse);
  hook = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => {
      body += chunk.toString();
    });
    request.on('end', () => {
      if (answer === 200) told.push({ path: request.url ?? '', body: JSON.parse(body) as unknown });
      response.writeHead(answer).end();
    });
  });
  hook.listen(0, '127.0.0.1');
  await once(hook, 'listening');
});

afterAll(async () => {
  hook?.closeAllConnections();
  hook?.close();
  await warehouse?.close();
  await embedded?.[Symbol.asyncDispose]();
});

const rule: DriftRule = {
  name: 'buyers',
  owner: { source: 'users', schema: 'public', table: 'users' },
  copy: { source: 'orders', schema: 'public', table: 'buyers' },
  reference: [],
  fields: [],
  where: new Map(),
  allowedStalenessMs: 1_000,
  orphansAllowed: false,
  complete: false,
  alert: { findings: 3, share: Infinity },
  repair: undefined,
};

function finding(number: number): Finding {
  return {
    rule: 'buyers',
    copyKey: `["${number}"]`,
    field: 'name',
    openedAt: BEGAN + 60_000,
    state: 'open',
    kind: 'missed update',
    ownerKey: '["1"]',
    ownerFingerprint: '',
    copyFingerprint: '',
    ownerChangedAt: BEGAN + number,
    copyChangedAt: undefined,
    missedAt: BEGAN + number,
    missedEvent: '',
    note: '',
    seenAt: BEGAN,
    healedAt: undefined,
  };
}

const findings = (count: number) => Array.from({ length: count }, (_, number) => finding(number));

async function start(): Promise<Alerting> {
  const { port } = hook.address() as AddressInfo;
  const url = (path: string) => new Secret(`http://127.0.0.1:${port}${path}`);
  return new Alerting({
    store,
    targets: [
      { format: 'slack', url: url('/slack') },
      { format: 'alertmanager', url: url('/alerts') },
    ],
    circumstances: async (_, at) => [`${new Date(at).toISOString()}: marker: deployed`],
    log,
    standing: await store.standingAlerts(),
  });
}

test('an alert is told once when the threshold is passed, once when it is over, whoever runs', async () => {
  let alerting = await start();
  const look = async (count: number) => {
    await alerting.update(rule, { open: findings(count), copies: 1_000 });
    await alerting.deliver();
  };
  await look(2);
  expect(told).toEqual([]);
  // While more and more is found it waits, so that it tells of all.
  await look(3);
  await look(6);
  expect(told).toEqual([]);
  // A receiver that is away gets it later.
  answer = 503;
  await look(6);
  answer = 200;
  expect(told).toEqual([]);
  await look(6);
  expect(told.map(({ path }) => path)).toEqual(['/slack', '/alerts']);
  const summary =
    'buyers: 6 findings in 1000 copies (0.60%); 6 missed update; 6 of them began at 2026-03-01T10:00:00.000Z';
  expect(told[0]?.body).toEqual({
    text: `:warning: Drift: ${summary}\n• 2026-03-01T10:00:00.000Z: marker: deployed`,
  });
  expect(told[1]?.body).toMatchObject([
    {
      labels: { alertname: 'TributaryDrift', rule: 'buyers', severity: 'warning' },
      annotations: { summary, description: '2026-03-01T10:00:00.000Z: marker: deployed' },
    },
  ]);

  alerting = await start();
  await look(6);
  // Less than it takes to raise it is not over.
  await look(1);
  expect(told).toHaveLength(2);
  expect(await store.standingAlerts()).toMatchObject([{ rule: 'buyers', summary }]);
  await look(0);
  expect(told).toHaveLength(4);
  expect(told[2]?.body).toEqual({
    text: expect.stringContaining('Drift is over: buyers, after') as string,
  });
  const [ended] = (told[3]?.body ?? []) as { startsAt: string; endsAt: string }[];
  expect(Date.parse(ended?.endsAt ?? '')).toBeLessThanOrEqual(Date.now());
  await look(0);
  alerting = await start();
  await look(0);
  expect(told).toHaveLength(4);
  expect(await store.standingAlerts()).toEqual([]);
});

test('what changed around the moment at which drift began is named, and nothing else', async () => {
  // Lately: what is older than a week is no longer known of every source.
  const moment = Math.floor(Date.now() / 1_000 - 3_600) * 1_000;
  const at = (second: number) => `fromUnixTimestamp64Milli(toInt64(${moment + second * 1_000}))`;
  const said = (second: number) =>
    new Date(moment + second * 1_000).toISOString().replace('T', ' ').replace('.000Z', ' UTC');
  const insert = async (into: string, values: readonly string[]) =>
    warehouse.command({ query: `INSERT INTO ${into} VALUES ${values.join(', ')}` });
  const schemaChange = (second: number, source: string, change: string) =>
    `(${at(second)}, '${source}', 'public', 'buyers', '${change}')`;
  await insert('ops.schema_history (seen_at, source, table_schema, table_name, change)', [
    schemaChange(-60, 'orders', 'added column phone'),
    // Too long before, of nobody whom it concerns, and no change.
    schemaChange(-300, 'orders', 'dropped column fax'),
    schemaChange(0, 'catalog', 'added column colour'),
    schemaChange(0, 'users', 'table first seen'),
  ]);
  await insert('ops.markers (marked_at, source, text)', [
    `(${at(-20)}, 'orders', 'deployed 2.0')`,
    `(${at(30)}, '', 'moved to another rack')`,
    `(${at(0)}, 'payments', 'deployed 7.1')`,
  ]);
  const letter = (offset: number, topic: string) =>
    `(${at(10 + offset)}, '${topic}', 0, ${offset}, 'RECORD_INVALID')`;
  await insert('ops.dead_letters (dead_lettered_at, topic, partition, offset, code)', [
    letter(0, 'users.public.users'),
    letter(1, 'users.public.users'),
    letter(2, 'inventory.public.stock_levels'),
  ]);
  const stored = (second: number, source: string) =>
    `(${at(second)}, '${source}', 'buyers', 1, ${at(second)})`;
  await insert('ops.freshness (observed_at, source, table_name, changes, last_committed_at)', [
    // The consumer of the copies stood still for a while; others did too, which is their business.
    ...[-100, -70, -45, 40, 41, 70].map((second) => stored(second, 'orders')),
    ...[-100, 100].map((second) => stored(second, 'users')),
  ]);
  expect(await circumstances(warehouse, rule, moment)).toEqual([
    `${said(-60)}: schema change in orders.buyers: added column phone`,
    `${said(-20)}: marker of orders: deployed 2.0`,
    `${said(10)}: 2 dead letters of users.public.users, RECORD_INVALID`,
    `${said(30)}: marker: moved to another rack`,
    `${said(-45)}: nothing came from orders for 85 s`,
  ]);
});
