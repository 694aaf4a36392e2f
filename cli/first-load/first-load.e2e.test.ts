import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { Secret } from '#runtime/config.ts';
import { provision } from '../../connectors/provision.ts';
import { loadLocalSettings, statePath } from '../../local/settings.ts';
import { writeSourceSecrets } from '../../local/secrets.ts';
import { Stack } from '../../local/stack.ts';
import { loadCatalog } from '../../pipeline/catalog/load-catalog.ts';
import type { Warehouse } from '../../pipeline/sink/clickhouse-client.ts';
import { startPostgres, type PostgresServer } from '../../pipeline/testing/postgres-server.ts';
import { connectLocalWarehouse, localAddresses } from '../local-environment.ts';
import { RunningCli, TEST_WORKER, testPlace } from '../testing/run-cli.ts';

/*
 * New sources whose rows are copied: while they are written to, killed at every step, and where it is
 * left to Debezium.
 */

/** Large enough to be stored out of line, so that an update that leaves it alone does not log it. */
const LARGE = "(SELECT string_agg(md5(g::text || i), '') FROM generate_series(1, 75) g)";

const RULES = `
    text_columns: [public.items.price]
    renames: { public.items: { remark: note } }
    mask: { public.items.secret: drop, public.items.email: hash, public.items.phone: redact }`;
const SOURCES = {
  // One database captured twice: what is copied has to be what Debezium brings.
  busy: `url: \${BUSY_URL}\n    tables: [public.*]\n    exclude: [public.parts_?]\n    outbox: messaging.outbox\n    first_load: copy\n    copy_rows_per_second: 8000${RULES}`,
  plain: `url: \${BUSY_URL}\n    tables: [public.*]\n    exclude: [public.parts_?]\n    outbox: messaging.outbox\n    first_load: snapshot${RULES}`,
  // Large enough to be copied without a word.
  killed: 'url: ${KILLED_URL}\n    tables: [public.*]',
  // Too small: without the word Debezium would do it.
  posted:
    'url: ${POSTED_URL}\n    tables: [public.*]\n    outbox: messaging.outbox\n    first_load: copy',
  torn: 'url: ${TORN_URL}\n    tables: [public.*]\n    first_load: snapshot',
  beyond: 'url: ${BEYOND_URL}\n    tables: [public.*]\n    first_load: copy',
} as const;
type SourceName = keyof typeof SOURCES;

let server: PostgresServer;
let folder: string;
let stack: Stack;
let warehouse: Warehouse;
let env: NodeJS.ProcessEnv;
const pools: pg.Pool[] = [];
/** Ended with the test that began them, however it ends: an open transaction holds up any new slot. */
const running: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  server = await startPostgres({ dedicated: true, walLevel: 'logical' });
  const here = await testPlace('first-load', 13_000);
  folder = here.stateDir;
  mkdirSync(folder, { recursive: true });
  const urls: Record<string, string> = {};
  for (const name of ['busy', 'killed', 'torn', 'posted', 'beyond']) {
    urls[`${name.toUpperCase()}_URL`] = (await server.createDatabase(name)).adminUrl;
  }
  urls['TRIBUTARY_MASK_KEY'] = 'a key of more than sixteen characters';
  const settings = {
    ...loadLocalSettings(here.env),
    catalogPath: catalog('all', Object.keys(SOURCES) as SourceName[]),
  };
  env = { ...here.env, ...localAddresses(settings), ...urls };
  warehouse = connectLocalWarehouse(settings, 'test');
  stack = new Stack({
    settings,
    shop: false,
    sourceUrls: urls,
    workerSettings: TEST_WORKER,
    applyConnectors: async () => undefined,
    onProgress: () => undefined,
    onFailure: (error) => {
      throw error;
    },
  });
  await stack.start(new AbortController().signal);
});

afterEach(async () => {
  await Promise.all(running.splice(0).map((stop) => stop()));
});

afterAll(async () => {
  await warehouse?.close();
  await stack?.stop();
  await Promise.all(pools.map((pool) => pool.end()));
  await server[Symbol.asyncDispose]();
});

function catalog(name: string, sources: readonly SourceName[]): string {
  const path = join(folder, `${name}.yaml`);
  const entries = sources.map((source) => `  - name: ${source}\n    ${SOURCES[source]}\n`);
  writeFileSync(path, `sources:\n${entries.join('')}`);
  return path;
}

/** A database with these tables, ready to be captured by a source. */
async function prepare(name: SourceName, sql: string): Promise<pg.Pool> {
  const url = env[`${name === 'plain' ? 'BUSY' : name.toUpperCase()}_URL`] ?? '';
  const pool = new pg.Pool({ connectionString: url });
  pool.on('error', () => undefined);
  pools.push(pool);
  await pool.query(sql);
  const { sources } = await loadCatalog(catalog(name, [name]), env);
  for (const source of sources) {
    await provision(new Secret(url), source);
    const settings = loadLocalSettings({ ...env, TRIBUTARY_MASK_KEY: undefined });
    await writeSourceSecrets(statePath(settings, 'secrets'), name, source.url);
  }
  return pool;
}

function command(name: SourceName, ...args: string[]): RunningCli {
  return new RunningCli([...args, '--config', join(folder, `${name}.yaml`)], env);
}

async function apply(name: SourceName): Promise<string> {
  const cli = command(name, 'connectors', 'apply');
  expect(await cli.exit(), cli.output).toBe(0);
  return cli.output;
}

/** What a command says that needs no catalog, or names it. */
async function said(...args: string[]): Promise<string> {
  const cli = new RunningCli(args, env);
  expect(await cli.exit(), cli.output).toBe(0);
  return cli.output;
}

async function verified(name: SourceName): Promise<void> {
  const cli = command(name, 'verify');
  expect(await cli.exit(), cli.output).toBe(0);
}

async function query<T = unknown[]>(sql: string): Promise<T[]> {
  const result = await warehouse.query({ query: sql, format: 'JSONCompactEachRow' });
  return result.json<T>();
}

async function stateOf(name: SourceName): Promise<unknown> {
  const rows = await query(
    `SELECT state, slot_lsn FROM ops.first_loads FINAL WHERE source = '${name}'`,
  ).catch(() => []);
  return rows[0]?.[0];
}

/** Kills a command once the load of its source is in a state that `isReached` knows. */
async function killWhen(cli: RunningCli, isReached: () => Promise<boolean>): Promise<void> {
  await expect.poll(isReached, { timeout: 60_000, interval: 5 }).toBe(true);
  cli.child.kill('SIGKILL');
  await cli.exit();
}

/**
 * Ids above are not the writer's, which would wait for a transaction that has one of them. So many that
 * a snapshot is still being read, several times what Debezium queues, when its first rows are stored.
 */
const APART = 40_000;

/** Changes of every kind, until stopped: among them updates that leave the large value alone. */
function write(database: pg.Pool): { stop: () => Promise<void> } {
  const stopping = new AbortController();
  const done = (async () => {
    for (let turn = 1; !stopping.signal.aborted; turn += 1) {
      const id = (turn * 7_919) % APART;
      await database.query('UPDATE items SET n = n + 1 WHERE id = $1', [id]);
      await database.query('DELETE FROM items WHERE id = $1', [id + 1]);
      await database.query(
        `INSERT INTO items (id, n, body, email) VALUES ($1, 0, 'new', 'new@shop.example')
         ON CONFLICT (id) DO UPDATE SET body = 'again'`,
        [turn % 3 === 0 ? id + 1 : 100_000 + turn],
      );
    }
  })();
  const stop = async () => {
    stopping.abort();
    await done;
  };
  running.push(stop);
  return { stop };
}

/** Begins a transaction that changes rows in every way and is not committed. */
async function begin(database: pg.Pool, nth: number, more = ''): Promise<pg.PoolClient> {
  const session = await database.connect();
  running.push(async () => session.release(true));
  const id = APART + nth * 5;
  await session.query(`BEGIN;
    UPDATE items SET n = -n WHERE id = ${id + 1};
    UPDATE items SET body = 'small' WHERE id = ${id + 2};
    DELETE FROM items WHERE id = ${id + 3};
    UPDATE items SET id = id + 20000 WHERE id = ${id + 4};
    DELETE FROM items WHERE id = ${id + 5};
    INSERT INTO items (id, n, note) VALUES (${id + 5}, 0, 'again'), (${id + 50_000}, 0, 'of ${nth}');
    ${more}`);
  return session;
}

/**
 * Applies a source, with transactions that are open before its slot is made and after. Asked for a
 * slot, Postgres waits for those that it finds under way, and then for those that it finds then: what
 * begins after that stays open.
 */
async function applyAcross(name: SourceName, database: pg.Pool, nth: number) {
  const next = (number: number) =>
    begin(
      database,
      number,
      `UPDATE twice SET note = 'of ${number}' WHERE n = ${number};
       DELETE FROM twice WHERE n = ${number + 100}`,
    );
  const first = await next(nth);
  const output = apply(name);
  await holdsUpSlot(database, first);
  const second = await next(nth + 1);
  await first.query('COMMIT');
  await holdsUpSlot(database, second);
  const [during, after] = [await next(nth + 2), await next(nth + 3)];
  await second.query('COMMIT');
  return { output, during, after };
}

async function holdsUpSlot(database: pg.Pool, session: pg.PoolClient): Promise<void> {
  const { rows } = await session.query('SELECT pg_backend_pid() AS pid');
  const isHeldUp = async () => {
    const { rowCount } = await database.query(
      `SELECT FROM pg_stat_activity WHERE backend_type = 'walsender' AND $1::int = ANY (pg_blocking_pids(pid))`,
      [rows[0]?.pid],
    );
    return rowCount;
  };
  await expect.poll(isHeldUp, { timeout: 60_000, interval: 20 }).toBe(1);
}

/** Whether Debezium is in the middle of its snapshot of `items`. */
async function isReading(database: pg.Pool): Promise<boolean> {
  const { rowCount } = await database.query(
    `SELECT FROM pg_stat_activity
     WHERE query LIKE 'SELECT%FROM "public"."items"%' AND xact_start IS NOT NULL
       AND pid != pg_backend_pid()`,
  );
  return rowCount === 1;
}

/** Waits until some rows of a snapshot that goes on are in the warehouse. */
async function readsItems(name: SourceName, database: pg.Pool): Promise<void> {
  await expect
    .poll(
      async () =>
        (await isReading(database)) &&
        (await query(`SELECT 1 FROM current.${name}__items LIMIT 1`).catch(() => [])).length === 1,
      { timeout: 60_000, interval: 5 },
    )
    .toBe(true);
}

const items = (rows: number) => `
  CREATE TABLE items (
    id int PRIMARY KEY, n bigint NOT NULL, body text, price numeric(12,2), note text, tags text[] NOT NULL DEFAULT '{}',
    email text, phone text, secret text, at timestamptz DEFAULT now(), "Odd ""name""" int,
    double_n bigint GENERATED ALWAYS AS (n * 2) STORED);
  INSERT INTO items SELECT i, i, ${LARGE}, i / 100.0, E'tab\\there \\\\ ' || i, ARRAY['a', NULL, 'b' || i],
    'c' || i || '@shop.example', '+43 ' || i, 'secret ' || i, timestamptz '2024-02-29 12:00:00.123456+02' + i * interval '1 s', i
  FROM generate_series(1, ${rows}) i;`;

test('a source is copied while it is written to: every change wins, and columns, cells and masks are what Debezium brings', async () => {
  const database = await prepare(
    'busy',
    `${items(APART + 4 * 10)}
    CREATE TABLE void (id uuid PRIMARY KEY, at date);
    CREATE TABLE parts (region text, id int, v float8, PRIMARY KEY (region, id)) PARTITION BY LIST (region);
    CREATE TABLE parts_a PARTITION OF parts FOR VALUES IN ('a');
    CREATE TABLE parts_b PARTITION OF parts FOR VALUES IN ('b');
    INSERT INTO parts SELECT CASE WHEN i % 2 = 0 THEN 'a' ELSE 'b' END, i, i / 3.0 FROM generate_series(1, 1000) i;
    CREATE TABLE twice (n int, note text);
    ALTER TABLE twice REPLICA IDENTITY FULL;
    INSERT INTO twice SELECT i % 500, CASE WHEN i % 2 = 0 THEN E'a\\tb\\n' END FROM generate_series(1, 3000) i;
    CREATE SCHEMA messaging;
    CREATE TABLE messaging.outbox (id uuid PRIMARY KEY, aggregatetype text NOT NULL, aggregateid text NOT NULL,
      type text NOT NULL, payload jsonb NOT NULL, created_at timestamptz NOT NULL DEFAULT now())`,
  );
  await prepare('plain', 'SELECT 1');
  const writer = write(database);
  const copied = await applyAcross('busy', database, 0);
  await expect.poll(() => stateOf('busy'), { timeout: 60_000, interval: 5 }).toBe('copying');
  await copied.during.query('COMMIT');
  expect(await stateOf('busy')).toBe('copying');
  expect(await copied.output).toMatch(/busy: [\d,]+ rows of 4 tables copied in/);
  await copied.after.query('COMMIT');
  const read = await applyAcross('plain', database, 4);
  await readsItems('plain', database);
  await read.during.query('COMMIT');
  expect(await isReading(database)).toBe(true);
  await expect.poll(() => isReading(database), { timeout: 60_000 }).toBe(false);
  await read.after.query('COMMIT');
  expect(await read.output).toContain('+ tributary-plain');
  await writer.stop();
  // Copied rows of which each is there several times, and some of them gone.
  await database.query(
    'DELETE FROM twice WHERE ctid IN (SELECT ctid FROM twice LIMIT 700); UPDATE twice SET n = n % 7',
  );
  await verified('busy');
  await verified('plain');
  expect(await query('SELECT toString(count()) FROM busy.twice')).toEqual([['2252']]);
  expect(await query("SELECT _op FROM changes.busy__items WHERE remark = 'of 0'")).toContainEqual([
    'snapshot',
  ]);
  const columns = (database: string, source: string) =>
    query(
      `SELECT replaceOne(table, '${source}__', ''), name, type FROM system.columns
       WHERE database = '${database}' AND (database = '${source}' OR startsWith(table, '${source}__')) ORDER BY table, position`,
    );
  for (const where of ['current', 'changes', 'history']) {
    // An empty table has no record that would make it.
    const copied = (await columns(where, 'busy')).filter(([table]) => table !== 'void');
    expect(copied).toEqual(await columns(where, 'plain'));
  }
  for (const table of ['items', 'parts']) {
    const differing = (one: string, other: string) =>
      query(
        `SELECT count() FROM (SELECT * APPLY toString FROM ${one}.${table} EXCEPT SELECT * APPLY toString FROM ${other}.${table})`,
      );
    expect([...(await differing('busy', 'plain')), ...(await differing('plain', 'busy'))]).toEqual([
      [0],
      [0],
    ]);
  }
  for (const source of ['busy', 'plain'] as const) {
    expect(
      await query(
        `SELECT countIf(valid_from >= valid_to), countIf(valid_from < before), countIf(valid_to IS NULL) - (SELECT count() FROM ${source}.items)
         FROM (SELECT valid_from, ifNull(valid_to, toDateTime64('2299-01-01', 6, 'UTC')) AS ends, valid_to,
                 lagInFrame(ends) OVER (PARTITION BY id ORDER BY valid_from) AS before
               FROM history.${source}__items)`,
      ),
    ).toEqual([[0, 0, 0]]);
  }
  expect(await query('SELECT * FROM ops.resync_requests')).toEqual([]);
  // In the change log, too, each copied row once, and before whatever happened to it later.
  const [[rows, distinct, latest] = []] = await query<string[]>(
    "SELECT toString(count()), toString(uniqExact(id)), toString(max(_version)) FROM changes.busy__items WHERE _op = 'snapshot'",
  );
  expect([rows, distinct, latest]).toEqual([rows, rows, '0']);
  expect(
    await query(
      "SELECT toString(rows_copied) FROM ops.first_load_tables FINAL WHERE source = 'busy' AND table_name = 'items'",
    ),
  ).toEqual([[rows]]);
  expect(
    await query(
      "SELECT DISTINCT change FROM ops.schema_history WHERE source = 'busy' AND change != 'schema seen'",
    ),
  ).toEqual([['table first seen']]);
  expect(
    await query("SELECT topic, reason FROM ops.dead_letters WHERE topic LIKE 'busy.%'"),
  ).toEqual([]);
  expect(await query("SELECT name FROM system.tables WHERE name LIKE 'first load %'")).toEqual([]);
});

test('a large source is copied by itself; a load that is killed while it copies begins anew, also one that was paused, and one that is killed behind that goes on', async () => {
  // Enough to be killed in the middle.
  const database = await prepare('killed', items(60_000));
  const writer = write(database);
  await killWhen(command('killed', 'connectors', 'apply'), async () => {
    const rows = await query('SELECT 1 FROM current.killed__items LIMIT 1').catch(() => []);
    return rows.length > 0;
  });
  expect(await stateOf('killed')).toBe('copying');
  expect(await said('first-load', 'pause', 'killed', '--config', join(folder, 'killed.yaml'))).toBe(
    'killed: paused\n',
  );
  const paused = command('killed', 'connectors', 'apply');
  await expect
    .poll(() => said('first-load', 'status'), { timeout: 60_000 })
    .toMatch(/^killed .* 0 of [1-9][\d,]+ rows, 0 of 1 tables .* paused for \d+ s/);
  await said('first-load', 'resume', 'killed', '--config', join(folder, 'killed.yaml'));
  await killWhen(paused, async () => (await stateOf('killed')) === 'copied');
  const slot = async () =>
    (await query("SELECT slot_lsn FROM ops.first_loads FINAL WHERE source = 'killed'")).flat();
  const copiedAt = await slot();
  await database.query(
    'UPDATE items SET n = -1 WHERE id % 100 = 0; DELETE FROM items WHERE id % 100 = 1',
  );
  await apply('killed');
  expect(await stateOf('killed')).toBe('streaming');
  expect(await slot()).toEqual(copiedAt);
  await writer.stop();
  await verified('killed');
  expect(
    await query(
      "SELECT count() = uniqExact(id) AND count() > 0 FROM changes.killed__items WHERE _op = 'snapshot'",
    ),
  ).toEqual([[1]]);
  // Nothing to do for a source that is no longer new.
  expect(await apply('killed')).toContain('= tributary-killed');
});

test("Debezium's snapshot is broken off and begins anew: what it read that is gone since, and rows that count twice, are mended by a resync that was asked for", async () => {
  const database = await prepare(
    'torn',
    `${items(APART + 10)}
    CREATE TABLE copies (n int);
    ALTER TABLE copies REPLICA IDENTITY FULL;
    INSERT INTO copies SELECT i % 10 FROM generate_series(1, 100) i`,
  );
  const writer = write(database);
  await apply('torn');
  await readsItems('torn', database);
  const open = await begin(database, 0);
  await stack.process('connect').kill();
  expect(await query('SELECT count() FROM torn.items WHERE id = 1')).toEqual([[1]]);
  await database.query('DELETE FROM items WHERE id = 1; UPDATE items SET id = -2 WHERE id = 2');
  await stack.process('connect').healthy();
  await expect.poll(() => isReading(database), { timeout: 60_000, interval: 5 }).toBe(true);
  await open.query('COMMIT');
  await writer.stop();
  await expect
    .poll(() => query('SELECT DISTINCT table_name FROM ops.resync_requests ORDER BY 1'), {
      timeout: 60_000,
    })
    .toEqual([['copies'], ['items']]);
  await expect.poll(() => isReading(database), { timeout: 60_000 }).toBe(false);
  const mended = await said('resync', '--requested', '--config', join(folder, 'torn.yaml'));
  expect(mended).toMatch(/torn\.copies: 100 rows, 0 put right, 100 removed/);
  expect(mended).toMatch(/torn\.items: [\d,]+ rows, 0 put right, [1-9][\d,]* removed/);
  await verified('torn');
});

test('what a copy cannot do is left to Debezium, with the reason', async () => {
  await prepare(
    'posted',
    `CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1), (2);
    CREATE SCHEMA messaging;
    CREATE TABLE messaging.outbox (id uuid PRIMARY KEY, aggregatetype text NOT NULL, aggregateid text NOT NULL,
      type text NOT NULL, payload jsonb NOT NULL, created_at timestamptz NOT NULL DEFAULT now());
    INSERT INTO messaging.outbox VALUES (gen_random_uuid(), 'order', '1', 'order.placed', '{}')`,
  );
  expect(await apply('posted')).toMatch(
    /posted: its rows are left to Debezium's snapshot: its outbox messaging\.outbox has rows already/,
  );
  await verified('posted');
  await prepare(
    'beyond',
    `CREATE TABLE t (id int PRIMARY KEY, since date); INSERT INTO t VALUES (1, '2024-02-29'), (2, 'infinity');
     CREATE TABLE u (id int PRIMARY KEY); INSERT INTO u VALUES (1)`,
  );
  expect(await apply('beyond')).toMatch(
    /beyond: its rows are left to Debezium's snapshot: .*beyond__t/,
  );
  await expect
    .poll(() => query("SELECT reason FROM ops.dead_letters WHERE topic = 'beyond.public.t'"), {
      timeout: 60_000,
    })
    .toEqual([[expect.stringContaining("text_columns: ['public.t.since']")]]);
  await expect
    .poll(() => query('SELECT id FROM beyond.t UNION ALL SELECT id FROM beyond.u'), {
      timeout: 60_000,
    })
    .toEqual([[1], [1]]);
  expect(
    await query(
      "SELECT source, state FROM ops.first_loads FINAL WHERE source IN ('posted', 'beyond') ORDER BY source",
    ),
  ).toEqual([
    ['beyond', 'snapshot'],
    ['posted', 'snapshot'],
  ]);
});
