import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Secret } from '#runtime/config.ts';
import { createLogger } from '#runtime/log.ts';
import { migrate } from '../../warehouse/migrate.ts';
import {
  startEmbeddedWarehouse,
  type EmbeddedWarehouse,
} from '../../warehouse/testing/embedded-server.ts';
import { parseCatalog } from '../catalog/parse-catalog.ts';
import { FIRST_EPOCH } from '../change/version.ts';
import { createColumnNames } from '../evolution/column-names.ts';
import { watchPauses, setPaused } from '../resync/copy-pauses.ts';
import { connectWarehouse, type Warehouse } from '../sink/clickhouse-client.ts';
import { createClickHouseSink } from '../sink/clickhouse-sink.ts';
import { startPostgres, type PostgresServer } from '../testing/postgres-server.ts';
import { copyTables, type CopyParts } from './copy-tables.ts';
import { openSourceSnapshot } from './source-snapshot.ts';

let server: PostgresServer;
let embedded: EmbeddedWarehouse;
let warehouse: Warehouse;
let database: pg.Client;
let url: string;

beforeAll(async () => {
  [server, embedded] = await Promise.all([
    startPostgres({ dedicated: true, walLevel: 'logical' }),
    startEmbeddedWarehouse(),
  ]);
  warehouse = connectWarehouse(
    { url: embedded.url, user: 'default', password: new Secret('') },
    'test',
  );
  await migrate(warehouse, {
    log: createLogger('test', 'silent'),
    signal: new AbortController().signal,
  });
  url = (await server.createDatabase('erp')).adminUrl;
  database = new pg.Client({ connectionString: url });
  database.on('error', () => undefined);
  await database.connect();
});

afterAll(async () => {
  await database.end();
  await warehouse.close();
  await embedded[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

/** Copies table `t` for a source of this name. */
async function copy(name: string, rules: string, parts: Pick<CopyParts, 'isPaused'>) {
  const catalog = parseCatalog(
    `sources:\n  - name: ${name}\n    url: \${URL}\n    tables: [public.*]\n    ${rules}\n`,
    'catalog.yaml',
    { URL: url },
  );
  const [source] = catalog.sources;
  if (source === undefined) throw new Error('no source');
  const snapshot = await openSourceSnapshot(source, name);
  try {
    return await copyTables(
      source,
      snapshot,
      [{ schema: 'public', table: 't', epoch: FIRST_EPOCH }],
      {
        warehouse,
        sink: createClickHouseSink(warehouse),
        columnNames: createColumnNames(warehouse, catalog, createLogger('test', 'silent')),
        publication: '',
        signal: new AbortController().signal,
        onProgress: () => undefined,
        ...parts,
      },
    );
  } finally {
    await snapshot.close();
    await database.query('SELECT pg_drop_replication_slot($1)', [name]);
  }
}

async function query(sql: string): Promise<unknown[]> {
  const result = await warehouse.query({ query: sql, format: 'JSONCompactEachRow' });
  return result.json();
}

test('readers side by side bring each row once; nothing is read while it is paused', async () => {
  // 45 MB: two shares, of one piece each.
  await database.query(
    `CREATE TABLE t (id int PRIMARY KEY, body text NOT NULL, at timestamptz);
     ALTER TABLE t ALTER body SET STORAGE PLAIN;
     INSERT INTO t SELECT i, repeat(md5(i::text), 45) || E'\\t\\\\', to_timestamp(i) FROM generate_series(1, 30000) i`,
  );
  await setPaused(warehouse, 'erp', true);
  using pauses = await watchPauses(warehouse, 'erp');
  const copying = copy('erp', '', { isPaused: pauses.isPaused });
  let before: unknown;
  const standsStill = async () => {
    const { rows } = await database.query(
      'SELECT pid, tuples_processed FROM pg_stat_progress_copy ORDER BY pid',
    );
    const isStill = rows.length === 2 && JSON.stringify(rows) === before;
    before = JSON.stringify(rows);
    return isStill;
  };
  // Both readers have begun, and Postgres sends nothing any more.
  await expect.poll(standsStill, { timeout: 20_000, interval: 1_000 }).toBe(true);
  expect(await query('SELECT count() FROM current.erp__t')).toEqual([[0]]);
  await setPaused(warehouse, 'erp', false);
  expect(await copying).toEqual([
    {
      schema: 'public',
      table: 't',
      rowsExpected: expect.any(Number),
      rowsCopied: 30_000,
      isDone: true,
    },
  ]);
  for (const where of ['current', 'changes']) {
    expect(
      await query(
        `SELECT toInt32(count()), toInt32(uniqExact(id)), toInt32(countIf(body = concat(repeat(lower(hex(MD5(toString(id)))), 45), '\\t\\\\') AND toUnixTimestamp64Micro(at) = id * 1000000))
         FROM ${where}.erp__t`,
      ),
    ).toEqual([[30_000, 30_000, 30_000]]);
  }
});

test('a source gives no more rows a second than it may', async () => {
  await database.query('DELETE FROM t WHERE id > 2000');
  const began = performance.now();
  await copy('slow', 'copy_rows_per_second: 1000', { isPaused: () => false });
  expect(performance.now() - began).toBeGreaterThan(1_500);
  expect(await query('SELECT toInt32(count()) FROM slow.t')).toEqual([[2_000]]);
});

test('of a table without a key each row comes as often as it is there', async () => {
  await database.query(
    `DROP TABLE IF EXISTS t;
     CREATE TABLE t (n int, body text);
     ALTER TABLE t ALTER body SET STORAGE PLAIN, REPLICA IDENTITY FULL;
     INSERT INTO t SELECT i % 3, CASE WHEN i % 2 = 0 THEN repeat('x', 1500) || E'\\t\\n\\\\' END FROM generate_series(1, 60000) i`,
  );
  await copy('loose', '', { isPaused: () => false });
  const expected = [0, 1, 2].flatMap((n) => [
    [n, 0, 10_000],
    [n, 1503, 10_000],
  ]);
  for (const from of ['loose.t', 'history.loose__t']) {
    expect(
      await query(
        `SELECT n, toInt32(length(ifNull(body, ''))) AS size, toInt32(count()) FROM ${from} GROUP BY n, size ORDER BY n, size`,
      ),
    ).toEqual(expected);
  }
});
