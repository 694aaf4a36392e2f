import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  startPostgres,
  type PostgresServer,
  type TestDatabase,
} from '../pipeline/testing/postgres-server.ts';

const names = ['users', 'catalog', 'inventory', 'orders', 'payments', 'order_history'] as const;

const servers = new Map<string, PostgresServer>();
const databases = new Map<string, TestDatabase>();
beforeAll(async () => {
  for (const name of names) {
    const server = await startPostgres({ dedicated: true });
    servers.set(name, server);
    databases.set(name, await server.createDatabase(name));
  }
});
afterAll(async () => {
  for (const server of servers.values()) await server[Symbol.asyncDispose]();
});

/** The SQLSTATE that a connection was refused with, or the name of who got in. */
async function tryToConnect(url: string): Promise<string | undefined> {
  const client = new pg.Client({ connectionString: url });
  try {
    await client.connect();
    const { rows } = await client.query<{ role: string }>('SELECT current_user AS role');
    return rows[0]?.role;
  } catch (error) {
    return error instanceof pg.DatabaseError ? error.code : String(error);
  } finally {
    await client.end();
  }
}

/** The credentials of one service at the address of another. */
function urlAt(target: TestDatabase, credentials: TestDatabase): string {
  const url = new URL(target.url);
  url.username = credentials.role;
  url.password = credentials.password;
  return url.href;
}

const pairs = names.flatMap((from) => names.map((to) => [from, to] as const));

test.each(pairs)('%s at the database of %s gets in only when it is its own', async (from, to) => {
  const [own, target] = [databases.get(from), databases.get(to)];
  if (own === undefined || target === undefined) throw new Error('a database is missing');
  const result = await tryToConnect(urlAt(target, own));
  // 28P01: no such role with such a password on that server.
  expect(result).toBe(from === to ? `${from}_service` : '28P01');
});

test.each(names)(
  'the role of %s may not reach another database of its own server',
  async (name) => {
    const server = servers.get(name);
    const own = databases.get(name);
    if (server === undefined || own === undefined) throw new Error('a server is missing');
    const other = await server.createDatabase('other');
    // 42501: no CONNECT privilege.
    expect(await tryToConnect(urlAt(other, own))).toBe('42501');
  },
);
