import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  createServiceDatabase,
  postgresProcess,
  serviceDatabase,
  type ServiceDatabase,
} from './postgres.ts';
import { RunRecords } from './run-records.ts';
import { loadLocalSettings, portOf, statePath, type LocalSettings } from './settings.ts';
import { SupervisedProcess } from './supervised-process.ts';

let settings: LocalSettings;
let database: ServiceDatabase;
let server: SupervisedProcess;

/** Settings whose port of `postgres-users` is free. */
async function ownPlace(stateDir: string): Promise<LocalSettings> {
  const place = { PATH: process.env['PATH'], TRIBUTARY_STATE_DIR: stateDir };
  const base = portOf(loadLocalSettings(place), 'postgres-users');
  for (;;) {
    const probe = createServer().listen(0, '127.0.0.1');
    await once(probe, 'listening');
    const { port } = probe.address() as AddressInfo;
    probe.close();
    await once(probe, 'close');
    try {
      return loadLocalSettings({ ...place, TRIBUTARY_PORT_OFFSET: String(port - base) });
    } catch {
      // Too high for the other ports: the next one.
    }
  }
}

beforeAll(async () => {
  const stateDir = mkdtempSync(join(tmpdir(), 'tributary-local-pg-'));
  // The server runs under another account when we are root.
  chmodSync(stateDir, 0o755);
  settings = await ownPlace(stateDir);
  // An initdb that was killed half way must not pass for a database.
  mkdirSync(statePath(settings, 'pg', 'users', 'data-1'), { recursive: true });
  writeFileSync(statePath(settings, 'pg', 'users', 'data-1', 'PG_VERSION'), '18\n');
  const records = new RunRecords(statePath(settings, 'run'));
  await records.takeOwnership();
  server = new SupervisedProcess(
    await postgresProcess(settings, 'users'),
    records,
    () => undefined,
  );
  database = await serviceDatabase(settings, 'users');
  await server.start();
  await createServiceDatabase(database, 'users');
});

afterAll(async () => {
  await server.stop();
  rmSync(settings.stateDir, { recursive: true, force: true });
});

async function ask(url: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
}

function as(url: string, change: (parsed: URL) => void): string {
  const parsed = new URL(url);
  change(parsed);
  return parsed.toString();
}

test('every role has to give its password', async () => {
  for (const { href } of [database.adminUrl, database.serviceUrl].map(
    (url) => new URL(url.reveal()),
  )) {
    const wrong = as(href, (url) => (url.password = 'guess'));
    await expect(ask(wrong, 'SELECT 1')).rejects.toMatchObject({ code: '28P01' });
    expect(await ask(href, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
  }
  expect(
    await ask(
      database.adminUrl.reveal(),
      `SELECT DISTINCT auth_method FROM pg_hba_file_rules ORDER BY 1`,
    ),
  ).toEqual([{ auth_method: 'scram-sha-256' }]);
});

test('a service owns its database and is nothing special; no other role gets in', async () => {
  await createServiceDatabase(database, 'users');
  await ask(database.serviceUrl.reveal(), 'CREATE TABLE owned (id int PRIMARY KEY)');
  expect(
    await ask(
      database.adminUrl.reveal(),
      `SELECT rolsuper, rolreplication, rolcreaterole, rolcreatedb FROM pg_roles WHERE rolname = 'users_service'`,
    ),
  ).toEqual([{ rolsuper: false, rolreplication: false, rolcreaterole: false, rolcreatedb: false }]);
  await ask(database.adminUrl.reveal(), `CREATE ROLE orders_service LOGIN PASSWORD 'right'`);
  const other = as(database.serviceUrl.reveal(), (url) => {
    url.username = 'orders_service';
    url.password = 'right';
  });
  await expect(ask(other, 'SELECT 1')).rejects.toMatchObject({ code: '42501' });
});

test('the server can be captured from, is bounded in the WAL it keeps, and listens on loopback alone', async () => {
  const show = async (name: string) =>
    (await ask(database.adminUrl.reveal(), `SELECT current_setting('${name}') AS value`))[0]?.[
      'value'
    ];
  expect(await show('wal_level')).toBe('logical');
  expect(await show('max_slot_wal_keep_size')).toBe('2GB');
  expect(await show('listen_addresses')).toBe('127.0.0.1');
  expect(await show('unix_socket_directories')).toBe('');
});

test('data survives a restart and a kill', async () => {
  const url = database.serviceUrl.reveal();
  await ask(url, 'CREATE TABLE kept (id int PRIMARY KEY)');
  await ask(url, 'INSERT INTO kept VALUES (1)');
  await server.restart();
  await ask(url, 'INSERT INTO kept VALUES (2)');
  await server.kill();
  await server.healthy();
  expect(await ask(url, 'SELECT id FROM kept ORDER BY id')).toEqual([{ id: 1 }, { id: 2 }]);
});
