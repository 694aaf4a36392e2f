import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { loadLocalSettings } from '../../local/settings.ts';
import type { Warehouse } from '../../pipeline/sink/clickhouse-client.ts';
import { startPostgres, type PostgresServer } from '../../pipeline/testing/postgres-server.ts';
import { connectLocalWarehouse } from '../local-environment.ts';
import { RunningCli, testPlace, type TestPlace } from '../testing/run-cli.ts';

/*
 * Services change their tables and tell nobody, while they write to them.
 */

let server: PostgresServer;
let database: pg.Pool;
let here: TestPlace;
let config: string;
let env: NodeJS.ProcessEnv;
let up: RunningCli;
let warehouse: Warehouse;

beforeAll(async () => {
  server = await startPostgres({ dedicated: true, walLevel: 'logical' });
  const { adminUrl } = await server.createDatabase('erp');
  database = new pg.Pool({ connectionString: adminUrl });
  database.on('error', () => undefined);
  await database.query(`
    CREATE TYPE level AS ENUM ('low', 'high');
    CREATE TABLE users (id int PRIMARY KEY, email text NOT NULL, name text);
    INSERT INTO users SELECT i, 'u' || i || '@example.com', 'User ' || i FROM generate_series(1, 50) i;
    CREATE TABLE items (id int PRIMARY KEY, price numeric(8,2), code text, n int NOT NULL, old int NOT NULL, level level);
    INSERT INTO items SELECT i, i * 1.25, i::text, i, i, 'low' FROM generate_series(1, 50) i;
    CREATE TABLE loose (word text, old text);
    ALTER TABLE loose REPLICA IDENTITY FULL;
    INSERT INTO loose VALUES ('a', 'x'), ('a', 'x'), ('a', 'y'), ('b', 'y');
    CREATE TABLE promised (id int PRIMARY KEY, total int NOT NULL);
    INSERT INTO promised VALUES (1, 10);
    CREATE TABLE events (id int, day date, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
    CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM ('2024-01-01') TO ('2024-02-01');
    CREATE TABLE events_2 (LIKE events INCLUDING ALL);
    INSERT INTO events VALUES (1, '2024-01-01'), (2, '2024-01-31');
    INSERT INTO events_2 VALUES (3, '2024-02-01'), (4, '2024-02-02'), (5, '2024-02-03');
    CREATE TABLE leaving (id int PRIMARY KEY);
    INSERT INTO leaving SELECT generate_series(1, 7)`);
  here = await testPlace('schema-changes', 8_500);
  config = join(here.stateDir, 'schema.yaml');
  writeFileSync(
    config,
    'sources:\n  - name: erp\n    url: ${ERP_URL}\n    tables: [public.*]\n    exclude: [public.events_*]\n    contract: [public.promised.total]\n',
  );
  env = { ...here.env, ERP_URL: adminUrl };
  up = new RunningCli(['up', '--config', config, '--no-services'], env);
  warehouse = connectLocalWarehouse(loadLocalSettings(here.env), 'test');
  await up.says('ready after');
});

afterAll(async () => {
  up.child.kill('SIGTERM');
  await up.exit();
  await warehouse.close();
  await database.end();
  await server[Symbol.asyncDispose]();
});

async function query<T>(sql: string): Promise<T[]> {
  const result = await warehouse.query({ query: sql, format: 'JSONEachRow' });
  return result.json<T>();
}

/** Waits until a query gives these rows; until its table is there it gives none. */
async function becomes(sql: string, rows: unknown[]): Promise<void> {
  await expect
    .poll(() => query(sql).catch(() => []), { timeout: 60_000, interval: 200 })
    .toEqual(rows);
}

async function expectEqual(): Promise<void> {
  const tables = ['erp.users', 'erp.items', 'erp.loose'];
  const cli = new RunningCli(['verify', ...tables, '--config', config], env);
  expect(await cli.exit(), cli.output).toBe(0);
}

test('users.email becomes primary_email, a secondary_email joins, nobody is told, and no query breaks', async () => {
  await becomes('SELECT count() AS n FROM erp.users', [{ n: 50 }]);
  await warehouse.command({ query: 'CREATE DATABASE IF NOT EXISTS marts' });
  await warehouse.command({
    query: `CREATE VIEW marts.domains AS
            SELECT domain(email) AS domain, count() AS users FROM erp.users GROUP BY domain`,
  });
  const queries = [
    'SELECT count() AS bad FROM erp.users WHERE empty(email)',
    'SELECT sum(users) NOT BETWEEN 49 AND 51 AS bad FROM marts.domains',
    "SELECT countIf(email = '') AS bad FROM history.erp__users",
  ];
  const stopping = new AbortController();
  const problems: string[] = [];
  const asking = (async () => {
    while (!stopping.signal.aborted) {
      for (const sql of queries) {
        const [row] = await query<{ bad: number | string }>(sql).catch((error: unknown) => [
          { bad: String(error) },
        ]);
        if (row === undefined || Number(row.bad) !== 0)
          problems.push(`${sql}: ${String(row?.bad)}`);
      }
    }
  })();
  let column = 'email';
  const writing = (async () => {
    for (let step = 0; !stopping.signal.aborted; step += 1) {
      const client = await database.connect();
      try {
        await client.query('BEGIN');
        await client.query('LOCK TABLE users IN ROW EXCLUSIVE MODE');
        await client.query(`UPDATE users SET name = name || '.', ${column} = $1 WHERE id = $2`, [
          `u${step}@example.org`,
          1 + (step % 50),
        ]);
        await client.query('COMMIT');
      } catch {
        // The column was renamed in between: so it goes for services, too.
        await client.query('ROLLBACK');
      } finally {
        client.release();
      }
    }
  })();
  await becomes("SELECT count() > 20 AS ok FROM changes.erp__users WHERE _op = 'update'", [
    { ok: 1 },
  ]);
  column = 'primary_email';
  await database.query(`
    BEGIN;
    ALTER TABLE users RENAME COLUMN email TO primary_email;
    ALTER TABLE users ADD COLUMN secondary_email text;
    COMMIT`);
  await database.query(
    "INSERT INTO users VALUES (51, 'new@example.net', 'New', 'second@example.net')",
  );
  await database.query('DELETE FROM users WHERE id = 50');
  await becomes('SELECT email, primary_email, secondary_email FROM erp.users WHERE id = 51', [
    {
      email: 'new@example.net',
      primary_email: 'new@example.net',
      secondary_email: 'second@example.net',
    },
  ]);
  stopping.abort();
  await Promise.all([asking, writing]);
  expect(problems).toEqual([]);
  expect(
    await query("SELECT DISTINCT change FROM ops.schema_history WHERE change LIKE '%called%'"),
  ).toEqual([{ change: 'column email is called primary_email now' }]);
  await expectEqual();
});

test('columns come with defaults, go, widen, narrow and change their types; what Postgres rewrites is loaded anew', async () => {
  await database.query(`
    ALTER TABLE items ADD COLUMN stock int NOT NULL DEFAULT 5, ADD COLUMN note text, DROP COLUMN old;
    ALTER TYPE level ADD VALUE 'higher';
    UPDATE items SET note = 'seen' WHERE id = 1;
    ALTER TABLE loose ADD COLUMN stock int NOT NULL DEFAULT 5, DROP COLUMN old;
    DELETE FROM loose WHERE ctid = (SELECT min(ctid) FROM loose WHERE word = 'a');
    UPDATE loose SET word = 'c' WHERE word = 'b'`);
  await becomes(
    'SELECT sum(stock) AS stock, sum(old) AS old, countIf(note IS NULL) AS without FROM erp.items',
    [{ stock: 250, old: 1274, without: 49 }],
  );
  // Nothing but the columns tells these rows apart, and they are other ones now.
  await becomes(
    'SELECT word, stock, old, toInt32(count()) AS copies FROM erp.loose GROUP BY ALL ORDER BY word',
    [
      { word: 'a', stock: 5, old: null, copies: 2 },
      { word: 'c', stock: 5, old: null, copies: 1 },
    ],
  );
  await database.query(`
    ALTER TABLE items ALTER COLUMN id TYPE bigint, ALTER COLUMN n TYPE bigint,
      ALTER COLUMN price TYPE numeric(12,4), ALTER COLUMN code TYPE int USING code::int * 10;
    INSERT INTO items VALUES (5000000000, 0.0001, 7, 5000000000, 'higher', 1)`);
  await becomes('SELECT toString(id) AS key, price, code, n, level FROM erp.items WHERE id > 50', [
    { key: '5000000000', price: 0.0001, code: '7', n: 5000000000, level: 'higher' },
  ]);
  // Written by USING, and by nobody else.
  await becomes('SELECT sum(toInt64(code)) AS sum FROM erp.items', [{ sum: 12757 }]);
  await database.query(`
    ALTER TABLE items ALTER COLUMN n TYPE text, ALTER COLUMN stock TYPE smallint;
    UPDATE items SET n = 'many' WHERE id = 2`);
  await becomes('SELECT n FROM erp.items WHERE id IN (2, 3) ORDER BY id', [
    { n: 'many' },
    { n: '3' },
  ]);
  await becomes(
    "SELECT count() AS open FROM ops.resync_requests WHERE requested_at > (SELECT max(started_at) FROM ops.resyncs WHERE state = 'done')",
    [{ open: 0 }],
  );
  await expectEqual();
});

test('a column under contract that goes stops its table and no other', async () => {
  await database.query('ALTER TABLE promised DROP COLUMN total; INSERT INTO promised VALUES (2)');
  const log = () => readFileSync(join(here.stateDir, 'logs', 'transformer.log'), 'utf8');
  await expect.poll(log, { timeout: 60_000 }).toContain('CONTRACT_BROKEN');
  await database.query("UPDATE users SET name = 'goes on' WHERE id = 1");
  await becomes("SELECT count() AS n FROM erp.users WHERE name = 'goes on'", [{ n: 1 }]);
  expect(await query('SELECT * FROM erp.promised')).toEqual([{ id: 1, total: 10 }]);
});

test('what happens to tables and brings no change is noticed: the warehouse follows, or says so', async () => {
  const changes = (table: string) =>
    `SELECT change FROM ops.schema_history WHERE table_name = '${table}' AND schema_id = 0
       AND change != 'table first seen' ORDER BY seen_at`;
  await becomes('SELECT count() > 4 AS ok FROM ops.source_tables', [{ ok: 1 }]);
  // A partition that is made holds nothing yet, and its rows stream: nothing to load anew.
  await database.query(`
    CREATE TABLE events_3 PARTITION OF events FOR VALUES FROM ('2024-03-01') TO ('2024-04-01');
    INSERT INTO events VALUES (6, '2024-03-01');
    ALTER TYPE level RENAME VALUE 'low' TO 'lower';
    CREATE TABLE joiner (id int PRIMARY KEY);
    INSERT INTO joiner SELECT generate_series(1, 5);
    CREATE TABLE keyless (n int);
    ALTER TABLE leaving RENAME TO left_over`);
  await becomes('SELECT count() AS n FROM erp.events', [{ n: 3 }]);
  await becomes(
    "SELECT countIf(level = 'low') AS low, countIf(level = 'lower') > 0 AS lower FROM erp.items",
    [{ low: 0, lower: 1 }],
  );
  await becomes('SELECT count() AS n FROM erp.left_over', [{ n: 7 }]);
  await becomes('SELECT count() AS n FROM erp.joiner', [{ n: 5 }]);
  expect(await query(changes('leaving'))).toEqual([
    { change: 'table is called public.left_over now; what it held stays here as it was' },
  ]);
  await up.says('public.keyless has no primary key');

  await database.query(`
    ALTER TABLE events ATTACH PARTITION events_2 FOR VALUES FROM ('2024-02-01') TO ('2024-03-01');
    ALTER TABLE events DETACH PARTITION events_1;
    DROP TABLE left_over`);
  await becomes(
    'SELECT id FROM erp.events ORDER BY id',
    [3, 4, 5, 6].map((id) => ({ id })),
  );
  await becomes(changes('left_over'), [
    { change: 'table was called public.leaving' },
    { change: 'table was dropped; what the warehouse has of it stays' },
  ]);
  expect(await query('SELECT count() AS n FROM erp.left_over')).toEqual([{ n: 7 }]);
  const asked =
    "SELECT reason FROM ops.resync_requests WHERE table_name = 'events' GROUP BY reason ORDER BY reason";
  expect(await query(asked)).toEqual([
    { reason: 'a partition was attached, which may have rows' },
    { reason: 'a partition was detached or dropped' },
  ]);
});
