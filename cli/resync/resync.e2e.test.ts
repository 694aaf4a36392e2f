import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Admin } from 'kafkajs';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createLogger } from '#runtime/log.ts';
import { loadLocalSettings } from '../../local/settings.ts';
import type { Warehouse } from '../../pipeline/sink/clickhouse-client.ts';
import { requestResync } from '../../pipeline/resync/request-resync.ts';
import { createKafka } from '../../pipeline/source/kafka-client.ts';
import { startPostgres, type PostgresServer } from '../../pipeline/testing/postgres-server.ts';
import { connectLocalWarehouse, localAddresses } from '../local-environment.ts';
import { RunningCli, testPlace, type TestPlace } from '../testing/run-cli.ts';

/*
 * Tables that are loaded anew while their changes keep flowing, among them transactions that began
 * before the copy and commit after it; a copy that is killed; a slot that is lost.
 */

const ROWS = 2_000;
const PARTITIONS = 3;
/** Large enough to be stored out of line, so that an update that leaves it alone does not log it. */
const LARGE = "(SELECT string_agg(md5(g::text || 'x'), '') FROM generate_series(1, 300) g)";

let server: PostgresServer;
let database: pg.Pool;
let here: TestPlace;
let config: string;
let env: NodeJS.ProcessEnv;
let up: RunningCli;
let warehouse: Warehouse;
let admin: Admin;
let surplus = 0;

beforeAll(async () => {
  server = await startPostgres({ dedicated: true, walLevel: 'logical' });
  const { adminUrl } = await server.createDatabase('erp');
  database = new pg.Pool({ connectionString: adminUrl });
  database.on('error', () => undefined);
  await database.query(`
    CREATE TABLE items (id int PRIMARY KEY, n bigint NOT NULL, body text, at timestamptz DEFAULT now());
    INSERT INTO items SELECT i, 0, ${LARGE} FROM generate_series(1, ${ROWS}) i;
    CREATE SEQUENCE lives;
    CREATE TABLE other (id int PRIMARY KEY, n int);
    INSERT INTO other VALUES (1, 1)`);
  here = await testPlace('resync', 7_500);
  config = join(here.stateDir, 'resync.yaml');
  writeFileSync(config, 'sources:\n  - name: erp\n    url: ${ERP_URL}\n    tables: [public.*]\n');
  env = { ...here.env, ERP_URL: adminUrl };
  up = new RunningCli(['up', '--config', config, '--no-services'], env);
  const addresses = localAddresses(loadLocalSettings(here.env));
  warehouse = connectLocalWarehouse(loadLocalSettings(here.env), 'test');
  // Before the connector makes it with one partition.
  admin = createKafka({
    clientId: 'test',
    brokers: (addresses['KAFKA_BROKERS'] ?? '').split(','),
    log: createLogger('test', 'silent'),
  }).admin();
  await up.says('  kafka  ');
  await admin.connect();
  await admin.createTopics({
    topics: [{ topic: 'erp.public.items', numPartitions: PARTITIONS, replicationFactor: 1 }],
    waitForLeaders: true,
  });
  await up.says('ready after');
});

afterAll(async () => {
  await admin.disconnect();
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

async function count(): Promise<number> {
  const [row] = await query<{ n: string | number }>('SELECT count() AS n FROM erp.items').catch(
    () => [],
  );
  return Number(row?.n ?? 0);
}

interface Resynced {
  table: string;
  read: number;
  written: number;
  removed: number;
  failed?: string;
  reason?: string;
}

function command(...args: string[]): RunningCli {
  return new RunningCli([...args, '--config', config], env);
}

async function resync(...names: string[]): Promise<Resynced[]> {
  const cli = command('resync', '--json', ...names);
  const code = await cli.exit();
  expect(code, cli.output).toBe(0);
  return JSON.parse(cli.output.slice(cli.output.indexOf('['))) as Resynced[];
}

async function verified(): Promise<void> {
  const cli = command('verify', 'erp');
  expect(await cli.exit(), cli.output).toBe(0);
}

/** Makes the warehouse wrong where nothing else would notice: in a cell, a row less, a row more. */
async function damage(): Promise<void> {
  const change = (replacements: string, where: string) =>
    warehouse.command({
      query: `INSERT INTO current.erp__items SELECT * REPLACE (${replacements}, _version + 1 AS _version)
              FROM (SELECT * FROM current.erp__items FINAL WHERE ${where})`,
    });
  await change("'wrong' AS body", 'id = 7');
  await change('1 AS _deleted', 'id IN (8, 9)');
  // Ids that never were: one that was removed before would lose against that.
  surplus += 1_000_000;
  await change(`id + ${surplus} AS id`, 'id IN (10, 11, 12)');
}

/** Writes as many kinds of changes as there are, until stopped. */
function write(seed: number): { stop: () => Promise<void> } {
  const stopping = new AbortController();
  let state = seed;
  const random = (below: number) => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return Math.floor((state / 2_147_483_648) * below);
  };
  const done = (async () => {
    while (!stopping.signal.aborted) {
      const client = await database.connect();
      try {
        await client.query('BEGIN');
        for (let step = random(6); step >= 0; step -= 1) {
          const id = 13 + random(ROWS - 12);
          const sql = [
            'UPDATE items SET n = n + 1 WHERE id = $1',
            'UPDATE items SET n = n + 1, at = now() WHERE id = $1',
            `UPDATE items SET n = n + 1, body = md5(random()::text) || body WHERE id = $1`,
            'DELETE FROM items WHERE id = $1',
            `INSERT INTO items VALUES ($1, 1000 * nextval('lives'), 'again') ON CONFLICT (id) DO UPDATE SET n = items.n + 1`,
          ][random(5)];
          await client.query(sql ?? '', [id]);
        }
        await client.query(random(5) === 0 ? 'ROLLBACK' : 'COMMIT');
      } catch {
        // Two writers can wait for each other.
        await client.query('ROLLBACK');
      } finally {
        client.release();
      }
    }
  })();
  return {
    stop: async () => {
      stopping.abort();
      await done;
    },
  };
}

test('what differs is put right, and nothing else is written', async () => {
  await expect.poll(count, { timeout: 60_000 }).toBe(ROWS);
  await damage();
  const [before] = await query<{ n: string }>(
    'SELECT toString(count()) AS n FROM changes.erp__items',
  );
  expect(await resync('erp.items')).toEqual([
    expect.objectContaining({ table: 'erp.items', read: ROWS, written: 3, removed: 3 }),
  ]);
  await verified();
  const [after] = await query<{ n: string }>(
    'SELECT toString(count()) AS n FROM changes.erp__items',
  );
  expect(Number(after?.n) - Number(before?.n)).toBe(6);
  expect(
    await query(
      'SELECT _op, count() AS n FROM changes.erp__items WHERE _version >= bitShiftLeft(toUInt128(1), 112) GROUP BY _op ORDER BY _op',
    ),
  ).toEqual([
    { _op: 'delete', n: 3 },
    { _op: 'snapshot', n: 3 },
  ]);
});

test('changes that are committed meanwhile win, whenever their transactions began, and the view never goes back', async () => {
  // Row 1 is changed before the copy, by a transaction that commits once the copy is taken.
  const early = await database.connect();
  await early.query('BEGIN');
  await early.query("UPDATE items SET n = n + 1, body = 'committed after the copy' WHERE id = 1");
  const writers = [write(1), write(2), write(3)];
  await damage();
  // The counter of a row only rises, from one life to the next too.
  const seen = new Map<number, number>();
  const problems: string[] = [];
  const enough = new AbortController();
  const watching = (async () => {
    while (!enough.signal.aborted) {
      const rows = await query<{ id: number; n: string }>(
        'SELECT id, toString(n) AS n FROM erp.items WHERE id > 12',
      );
      if (rows.length < ROWS / 4) problems.push(`only ${rows.length} rows`);
      for (const { id, n } of rows) {
        if (Number(n) < (seen.get(id) ?? 0) && id < 1_000_000) {
          problems.push(`row ${id} went from ${seen.get(id)} to ${n}`);
        }
        seen.set(id, Number(n));
      }
    }
  })();
  const running = command('resync', '--json', 'erp.items');
  await expect
    .poll(
      () =>
        query(
          "SELECT state FROM ops.resyncs FINAL WHERE topic = 'erp.public.items' ORDER BY epoch DESC LIMIT 1",
        ),
      { timeout: 60_000, interval: 20 },
    )
    .toEqual([{ state: 'copying' }]);
  await early.query('COMMIT');
  early.release();
  expect(await running.exit(), running.output).toBe(0);
  await Promise.all(writers.map((writer) => writer.stop()));
  enough.abort();
  await watching;
  expect(problems).toEqual([]);
  expect(await resync('erp.items')).toEqual([expect.objectContaining({ written: 0, removed: 0 })]);
  await verified();
  expect(await query('SELECT body FROM erp.items WHERE id = 1')).toEqual([
    { body: 'committed after the copy' },
  ]);
});

test('a resync that is killed does no harm, in whatever state it is, and the next one does its work', async () => {
  const writer = write(4);
  for (const state of ['pausing', 'copying']) {
    await damage();
    const running = command('resync', 'erp.items');
    const [{ epoch } = { epoch: 0 }] = await query<{ epoch: number }>(
      "SELECT max(epoch) AS epoch FROM ops.resyncs WHERE topic = 'erp.public.items'",
    );
    await expect
      .poll(
        () =>
          query(
            `SELECT 1 AS found FROM ops.resyncs WHERE topic = 'erp.public.items' AND epoch > ${epoch} AND state = '${state}'`,
          ),
        { timeout: 60_000, interval: 5 },
      )
      .not.toEqual([]);
    running.child.kill('SIGKILL');
    await running.exit();
  }
  await writer.stop();
  await resync('erp.items');
  await verified();
});

test('two resyncs of one table at the same time wait for one another', async () => {
  const writer = write(5);
  await damage();
  const both = await Promise.all([resync('erp.items'), resync('erp.items')]);
  expect(both.flat()).toHaveLength(2);
  await writer.stop();
  await verified();
});

test('a table that joins later comes with the rows it has, an empty one with none', async () => {
  await database.query(`
    CREATE TABLE late (id uuid PRIMARY KEY, price numeric(12,2), tags text[] NOT NULL, "Größe" date);
    INSERT INTO late SELECT gen_random_uuid(), i * 1.5, ARRAY['a', NULL], '2024-02-29' FROM generate_series(1, 500) i;
    CREATE TABLE void (id int PRIMARY KEY, at timestamptz);
    ALTER PUBLICATION tributary_erp ADD TABLE late, void`);
  await database.query('UPDATE late SET price = 0.01 WHERE id = (SELECT id FROM late LIMIT 1)');
  expect(new Set((await resync('erp.late', 'erp.void')).map(({ read }) => read))).toEqual(
    new Set([500, 0]),
  );
  expect(await query('SELECT * FROM erp.void')).toEqual([]);
  await database.query(
    "UPDATE late SET tags = '{}' WHERE price < 100; INSERT INTO void VALUES (1, now())",
  );
  await verified();
});

test('a resync that the pipeline asks for is done by itself', async () => {
  await damage();
  await requestResync(warehouse, {
    source: 'erp',
    schema: 'public',
    table: 'items',
    reason: 'a test asked',
  });
  await expect
    .poll(() => up.output, { timeout: 60_000 })
    .toMatch(/erp\.items: loading anew: a test asked[^]*3 put right, 3 removed/);
  expect(up.output).not.toContain('not loaded anew');
  await verified();
});

test('a table whose positions went back waits, the others go on, and a resync of the source mends both', async () => {
  await database.query('INSERT INTO other VALUES (2, 2)');
  await expect
    .poll(() => query('SELECT id FROM erp.other ORDER BY id'), { timeout: 30_000 })
    .toEqual([{ id: 1 }, { id: 2 }]);
  const gone = command('connectors', 'delete', 'erp', '--yes');
  expect(await gone.exit(), gone.output).toBe(0);
  // Nobody is told of these.
  await database.query(
    "UPDATE items SET body = 'in the gap' WHERE id % 10 = 0; DELETE FROM items WHERE id % 10 = 1; DELETE FROM other WHERE id = 2",
  );
  const applied = command('connectors', 'apply');
  expect(await applied.exit(), applied.output).toBe(0);
  await expect
    .poll(
      () =>
        query(
          "SELECT topic FROM ops.resync_pauses WHERE kind = 'regression' GROUP BY topic ORDER BY topic",
        ),
      { timeout: 60_000 },
    )
    .toEqual(
      expect.arrayContaining([{ topic: 'erp.public.items' }, { topic: 'erp.public.other' }]),
    );
  const status = command('status');
  expect(await status.exit(), status.output).not.toBe(0);
  expect(status.output).toContain('tributary resync erp');
  await database.query(
    "INSERT INTO other VALUES (3, 3); UPDATE items SET body = 'after the gap' WHERE id = 20",
  );
  expect((await resync('erp')).map(({ table }) => table)).toEqual(
    expect.arrayContaining(['erp.items', 'erp.other', 'erp.late', 'erp.void']),
  );
  await verified();
  expect(await query('SELECT id FROM erp.other ORDER BY id')).toEqual([{ id: 1 }, { id: 3 }]);
});

test('a table whose topic gets partitions waits, says why, and goes on with a resync', async () => {
  await admin.createPartitions({ topicPartitions: [{ topic: 'erp.public.other', count: 2 }] });
  let n = 10;
  await expect
    .poll(
      async () => {
        n += 1;
        await database.query('INSERT INTO other VALUES ($1, $1)', [n]);
        const status = command('status');
        await status.exit();
        return status.output;
      },
      { timeout: 90_000, interval: 1_000 },
    )
    .toMatch(/public\.other: .*partitions were added/);
  const shown = await query<{ id: number }>('SELECT max(id) AS id FROM erp.other');
  expect(shown[0]?.id).toBeLessThan(n);
  await resync('erp.other');
  await database.query('UPDATE other SET n = n + 1');
  await verified();
});
