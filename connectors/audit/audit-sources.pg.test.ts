import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Secret } from '#runtime/config.ts';
import { parseCatalog } from '../../pipeline/catalog/parse-catalog.ts';
import { startPostgres, type PostgresServer } from '../../pipeline/testing/postgres-server.ts';
import { provision } from '../provision.ts';
import { auditSources } from './audit-sources.ts';
import type { SharingFinding } from './judge-sharing.ts';

let servers: PostgresServer[];
let databases = 0;
beforeAll(async () => {
  servers = await Promise.all(
    [0, 1].map(async () => startPostgres({ dedicated: true, walLevel: 'logical' })),
  );
}, 60_000);
afterAll(async () => {
  for (const server of servers) await server[Symbol.asyncDispose]();
});

/** A service's database on one of the servers, with its capture role. */
async function service(on: number) {
  const server = servers[on];
  if (server === undefined) throw new Error('no server');
  const name = `service${++databases}`;
  const database = await server.createDatabase(name);
  await query(
    database.url,
    'CREATE TABLE items (id int PRIMARY KEY, n int); CREATE TABLE other (id int PRIMARY KEY)',
  );
  const url = new URL(database.adminUrl);
  url.username = `capture_${name}`;
  url.password = 'secret';
  const entry = `  - {name: ${name}, url: "${url.href}", tables: [public.*]}\n`;
  const [source] = parseCatalog(`sources:\n${entry}`, 'c.yaml', {}).sources;
  if (source === undefined) throw new Error('no source');
  await provision(new Secret(database.adminUrl), source);
  return { name, entry, database, admin: async (sql: string) => query(database.adminUrl, sql) };
}

type Service = Awaited<ReturnType<typeof service>>;

async function query(url: string, sql: string): Promise<void> {
  const client = new pg.Client(url);
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}

async function audit(...entries: readonly string[]): Promise<SharingFinding[]> {
  return auditSources(parseCatalog(`sources:\n${entries.join('')}`, 'c.yaml', {}));
}

test('services with servers of their own share nothing', async () => {
  const [a, b] = [await service(0), await service(1)];
  expect(await audit(a.entry, b.entry)).toEqual([]);
});

test('one server, and one database under two names, are told', async () => {
  const [a, b] = [await service(0), await service(0)];
  expect((await audit(a.entry, b.entry)).map(({ source, id }) => [source, id])).toEqual([
    [b.name, 'shared-server'],
  ]);
  const again = a.entry.replace(`name: ${a.name}`, 'name: twin');
  expect((await audit(a.entry, again)).map(({ source, id }) => [source, id])).toContainEqual([
    'twin',
    'shared-database',
  ]);
});

test.each<[SharingFinding['id'], (at: Service) => string, RegExp]>([
  [
    'foreign-reader',
    ({ name }) =>
      `CREATE ROLE ${name}_report LOGIN; GRANT CONNECT ON DATABASE ${name} TO ${name}_report; GRANT SELECT ON items TO ${name}_report`,
    /role service\d+_report .* public\.items$/,
  ],
  [
    'foreign-reader',
    ({ name }) =>
      `CREATE ROLE ${name}_one LOGIN; GRANT CONNECT ON DATABASE ${name} TO ${name}_one; GRANT UPDATE (n) ON items TO ${name}_one`,
    /role service\d+_one /,
  ],
  [
    'foreign-table',
    () =>
      `CREATE EXTENSION postgres_fdw; CREATE SERVER elsewhere FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host 'db2', dbname 'users');
       CREATE FOREIGN TABLE people (id int) SERVER elsewhere`,
    /^people is a table on elsewhere \(host db2, dbname users\)$/,
  ],
  ['reaching-extension', () => 'CREATE EXTENSION dblink', /dblink/],
  ['foreign-replication', () => 'CREATE PUBLICATION mine FOR TABLE items', /publication mine/],
  [
    'foreign-replication',
    ({ name }) => `SELECT pg_create_logical_replication_slot('${name}_slot', 'pgoutput')`,
    /replication slot service\d+_slot/,
  ],
  [
    'view-across-owners',
    () => 'CREATE SCHEMA reports; CREATE VIEW reports.totals AS SELECT sum(n) FROM items',
    /view reports\.totals of \S+ reads items/,
  ],
])('%s is found', async (id, plant, says) => {
  const planted = await service(0);
  await planted.admin(plant(planted));
  const found = (await audit(planted.entry)).filter((finding) => finding.id === id);
  expect(found.map(({ what }) => what)).toEqual([expect.stringMatching(says)]);
});

test('a connection of somebody else is found while it is open', async () => {
  const { name, database, admin, entry } = await service(0);
  await admin(
    `CREATE ROLE ${name}_guest LOGIN PASSWORD 'x'; GRANT CONNECT ON DATABASE ${name} TO ${name}_guest`,
  );
  const url = new URL(database.url);
  url.username = `${name}_guest`;
  url.password = 'x';
  const guest = new pg.Client(url.href);
  await guest.connect();
  const owner = new pg.Client(database.url);
  await owner.connect();
  expect((await audit(entry)).map(({ id, what }) => `${id}: ${what}`)).toEqual([
    `foreign-connection: 1 connection of role ${name}_guest, which owns nothing here`,
  ]);
  await guest.end();
  await owner.end();
  await expect.poll(() => audit(entry)).toEqual([]);
});
