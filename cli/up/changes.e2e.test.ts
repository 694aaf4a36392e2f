import { writeFileSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Secret } from '#runtime/config.ts';
import { loadLocalSettings, statePath } from '../../local/settings.ts';
import { Stack } from '../../local/stack.ts';
import type { Catalog } from '../../pipeline/catalog/catalog.ts';
import { parseCatalog } from '../../pipeline/catalog/parse-catalog.ts';
import type { Warehouse } from '../../pipeline/sink/clickhouse-client.ts';
import { quoteName } from '../../pipeline/sink/identifier.ts';
import { startPostgres, type PostgresServer } from '../../pipeline/testing/postgres-server.ts';
import { agrees } from '../../pipeline/verify/verify-table.ts';
import { connectLocalWarehouse, localAddresses } from '../local-environment.ts';
import { describeComparisons, waitUntilEqual } from './compare-sources.ts';
import { connectSources } from './connect-sources.ts';
import { testPlace, TEST_WORKER } from '../testing/run-cli.ts';

/*
 * Every kind of change that a table goes through, on an own database through wildcards; afterwards
 * the warehouse must hold what the tables hold, and history must be whole.
 */

/** Tables that go through every kind of change. */
const LIFE = `
  CREATE SCHEMA life;
  CREATE TYPE level AS ENUM ('low', 'Sehr Hoch');
  CREATE TABLE life.composite (a int, b text, n numeric(8,2), PRIMARY KEY (a, b));
  CREATE TABLE life.levels (level level PRIMARY KEY, v int);
  CREATE TABLE life.counters (id int PRIMARY KEY, v text);
  CREATE TABLE life.docs (id int PRIMARY KEY, title text, body text);
  ALTER TABLE life.docs ALTER body SET STORAGE EXTERNAL;
  CREATE TABLE life.wholes (LIKE life.docs INCLUDING ALL);
  ALTER TABLE life.wholes REPLICA IDENTITY FULL;
  CREATE TABLE life.parents (id int PRIMARY KEY, v text);
  CREATE TABLE life.children (id int PRIMARY KEY, parent int NOT NULL REFERENCES life.parents);
  CREATE TABLE life."Mixed Case ""x"" ${'ö'.repeat(20)}" (
    "select" int PRIMARY KEY, "_version" text, "_deleted" text, "valid_from" text, "${'n'.repeat(63)}" text);
  CREATE TABLE public.composite (id int PRIMARY KEY, v text);
  CREATE TABLE life.quiet (id int PRIMARY KEY, v text);
  CREATE TABLE life.prices (note text, sku text NOT NULL, since date NOT NULL, price numeric(8,2));
  ALTER TABLE life.prices ALTER note SET STORAGE EXTERNAL;
  CREATE UNIQUE INDEX a_wider_one ON life.prices (since, sku, price);
  CREATE UNIQUE INDEX prices_key ON life.prices (since, sku);
  ALTER TABLE life.prices REPLICA IDENTITY USING INDEX prices_key;
  CREATE TABLE life.codes (id int PRIMARY KEY, v text, code text NOT NULL UNIQUE);
  ALTER TABLE life.codes REPLICA IDENTITY USING INDEX codes_code_key;
  INSERT INTO life.codes VALUES (1, 'there', 'a'), (2, 'there', 'b'), (3, 'there', 'c');
  INSERT INTO life.quiet VALUES (1, 'never touched');
  CREATE TABLE life.loose (
    word text, body text, s smallint, i int, b bigint, r real, d float8, n numeric, p numeric(8,2), m money,
    c char(5), v varchar(9), y bytea, t boolean, day date, ts timestamp, tz timestamptz, ti time, tt timetz,
    iv interval, u uuid, j json, jb jsonb, ia int[], ta text[] NOT NULL, na numeric[], l level, ip inet, net cidr, mac macaddr,
    b1 bit, b3 bit(3), ir int4range, tv tsvector, x xml, o oid, lsn pg_lsn, pt point);
  ALTER TABLE life.loose ALTER body SET STORAGE EXTERNAL, REPLICA IDENTITY FULL;
  INSERT INTO life.loose SELECT 'there', repeat('b', 100000), -1, 2, 9007199254740993, 0.1, '-0', 1e40, 1.5, 2.5,
    'c', '', '\\x00ff', true, '1999-12-31', '2020-02-02 02:02:02.000001', '2020-02-02 02:02:02.1+02', '23:59:59.5', '01:02:03+01',
    '1 mon 2 days 03:04:05.6', '00000000-0000-0000-0000-000000000001', '{"a": 1.0}', '{"b": 9007199254740993}', '{1,NULL}', '{"", "x,y"}', '{1.5,NULL}', 'Sehr Hoch',
    '10.0.0.1/8', '10.0.0.0/8', '08:00:2b:01:02:03', '1', '101', '[1,5)', 'a b', '<x/>', 7, '0/16B3748', '(1,2.5)'
    FROM generate_series(1, 3);
  INSERT INTO life.loose (word, ta) VALUES ('bare', '{}'), ('bare', '{}');
  CREATE TABLE life.readings (day date, level float8) PARTITION BY RANGE (day);
  CREATE SCHEMA pieces;
  CREATE TABLE pieces.readings_1 PARTITION OF life.readings FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
  CREATE TABLE pieces.readings_2 PARTITION OF life.readings DEFAULT;
  ALTER TABLE life.readings REPLICA IDENTITY FULL;
  ALTER TABLE pieces.readings_1 REPLICA IDENTITY FULL;
  ALTER TABLE pieces.readings_2 REPLICA IDENTITY FULL;
  INSERT INTO life.readings VALUES ('2026-01-05', 1), ('2026-01-05', 1), ('2026-03-05', 'NaN');
  CREATE TABLE life.race (id int PRIMARY KEY, v int, body text);
  ALTER TABLE life.race ALTER body SET STORAGE EXTERNAL;
  INSERT INTO life.race SELECT i, 0, repeat(i::text, 3000) FROM generate_series(1, 12) i;
  CREATE TABLE life.base (id int PRIMARY KEY, v text);
  CREATE TABLE life.heir (more int, PRIMARY KEY (id)) INHERITS (life.base);
  INSERT INTO life.base VALUES (1, 'own');
  INSERT INTO life.heir VALUES (1, 'heir', 1), (2, 'heir', 2);
  CREATE TABLE life.computed (id int PRIMARY KEY, n int, twice int GENERATED ALWAYS AS (n * 2) STORED);
  INSERT INTO life.computed VALUES (1, 1);
  CREATE SCHEMA pinned;
  CREATE TABLE pinned.people (id int PRIMARY KEY, region text NOT NULL, name text);
  INSERT INTO pinned.people VALUES (1, 'eu', 'Ann'), (2, 'us', 'STAYS HOME'), (3, 'eu', 'Cy');
`;

const settings = loadLocalSettings((await testPlace('changes', 6_500)).env);
const never = new AbortController().signal;

let server: PostgresServer;
let stack: Stack;
let catalog: Catalog;
let warehouse: Warehouse;
let client: pg.Client;
let adminUrl: string;

beforeAll(async () => {
  server = await startPostgres({ walLevel: 'logical', dedicated: true });
  ({ adminUrl } = await server.createDatabase('any'));
  client = new pg.Client({ connectionString: adminUrl });
  await client.connect();
  await client.query(LIFE);
  const file = statePath(settings, 'changes.yaml');
  const text =
    'sources:\n  - name: any\n    url: ${ANY_URL}\n    tables: [public.*, life.*]\n' +
    '    keys: { life.prices: [since, sku], life.codes: [code] }\n' +
    '  - name: eu\n    url: ${EU_URL}\n    tables: [pinned.*]\n' +
    '    rows: { pinned.people: { region: [eu] } }\n';
  writeFileSync(file, text);
  const pinned = new URL(adminUrl);
  pinned.username = 'capture_eu';
  pinned.password = 'eu';
  const env = { ANY_URL: adminUrl, EU_URL: pinned.href };
  catalog = parseCatalog(text, file, env);
  const addresses = localAddresses(settings);
  warehouse = connectLocalWarehouse(settings, 'test');
  stack = new Stack({
    settings: { ...settings, catalogPath: file },
    shop: false,
    sourceUrls: env,
    workerSettings: TEST_WORKER,
    applyConnectors: (signal) =>
      connectSources({
        catalog,
        connectUrl: addresses['CONNECT_URL'] ?? '',
        secretsDir: statePath(settings, 'secrets'),
        adminUrls: new Map([['eu', new Secret(adminUrl)]]),
        signal,
      }),
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
  await client.end();
  await server[Symbol.asyncDispose]();
});

async function rowsOf<T>(query: string): Promise<T[]> {
  return (await warehouse.query({ query, format: 'JSONEachRow' })).json<T>();
}

/** Partitions whose files hold a text. */
async function kafkaHolds(text: string): Promise<string[]> {
  const folder = statePath(settings, 'kafka', 'data');
  const partitions = (await readdir(folder)).filter((name) => name.startsWith('eu.'));
  const holding: string[] = [];
  for (const partition of partitions) {
    const files = (await readdir(join(folder, partition))).filter((name) => name.endsWith('.log'));
    for (const file of files) {
      if ((await readFile(join(folder, partition, file))).includes(text)) holding.push(partition);
    }
  }
  return holding;
}

test('whatever is done to rows, the warehouse holds what the table holds, and history never overlaps', async () => {
  const long = (letter: string) => `repeat('${letter}', 1000000)`;
  const run = async (...statements: string[]) => {
    for (const statement of statements) await client.query(statement);
  };
  await run(
    // Many changes of one row in one transaction, some of them undone.
    `BEGIN`,
    `INSERT INTO life.counters VALUES (-2147483648, 'a'), (0, 'b'), (7, 'c')`,
    ...Array.from({ length: 50 }, (_, n) => `UPDATE life.counters SET v = '${n}' WHERE id = 7`),
    `SAVEPOINT s`,
    `DELETE FROM life.counters`,
    `ROLLBACK TO s`,
    `COMMIT`,
    `BEGIN`,
    `UPDATE life.counters SET v = 'never'`,
    `ROLLBACK`,
    `INSERT INTO life.counters VALUES (0, 'upserted') ON CONFLICT (id) DO UPDATE SET v = EXCLUDED.v`,
    // The same key again, in one transaction and in two.
    `BEGIN`,
    `DELETE FROM life.counters WHERE id = 7`,
    `INSERT INTO life.counters VALUES (7, NULL)`,
    `COMMIT`,
    `DELETE FROM life.counters WHERE id = 0`,
    `INSERT INTO life.counters VALUES (0, '')`,
    // Keys that change, into one another's place.
    `INSERT INTO life.composite VALUES (1, 'x', -0.01), (2, '', 5), (-3, 'ß', NULL), (4, 'x', 1)`,
    `UPDATE life.composite SET a = a + 10, b = b || '!' WHERE b = 'x'`,
    `BEGIN`,
    `UPDATE life.composite SET a = 99 WHERE a = 2`,
    `UPDATE life.composite SET a = 2, b = '' WHERE a = 11`,
    `COMMIT`,
    `INSERT INTO life.levels VALUES ('low', 1), ('Sehr Hoch', 2)`,
    `DELETE FROM life.levels WHERE level = 'low'`,
    `INSERT INTO life.wholes VALUES (1, 'one', ${long('w')})`,
    `UPDATE life.wholes SET id = 2`,
    `UPDATE life.wholes SET title = 'two'`,
    // Told apart by an index that is not the primary key's, beside one or without.
    `INSERT INTO life.prices VALUES (${long('p')}, 'a', '2026-01-01', 1), ('', 'a', '2026-02-01', 2), (NULL, 'b', '2026-01-01', NULL)`,
    `UPDATE life.prices SET price = price + 1 WHERE sku = 'a'`,
    `UPDATE life.prices SET sku = 'c' WHERE since = '2026-02-01'`,
    `DELETE FROM life.prices WHERE sku = 'b'`,
    `UPDATE life.codes SET id = 10, v = 'another id' WHERE code = 'a'`,
    `UPDATE life.codes SET code = 'bb' WHERE id = 2`,
    `DELETE FROM life.codes WHERE code = 'c'`,
    // Told apart by nothing: rows that were there, and others, added, changed and taken away.
    `INSERT INTO life.loose SELECT * FROM life.loose`,
    `UPDATE life.loose SET word = 'changed' WHERE ctid = (SELECT max(ctid) FROM life.loose WHERE word = 'there')`,
    `DELETE FROM life.loose WHERE ctid IN (SELECT ctid FROM life.loose WHERE word = 'there' LIMIT 4)`,
    `DELETE FROM life.loose WHERE ctid = (SELECT min(ctid) FROM life.loose WHERE word = 'bare')`,
    `UPDATE life.loose SET i = i WHERE word = 'bare'`,
    `UPDATE life.readings SET day = '2026-03-05' WHERE ctid = (SELECT min(ctid) FROM pieces.readings_1) AND tableoid = 'pieces.readings_1'::regclass`,
    `INSERT INTO life.readings VALUES ('2026-03-05', 'NaN'), ('2026-03-05', 'NaN')`,
    `DELETE FROM life.readings WHERE ctid = (SELECT min(ctid) FROM pieces.readings_2 WHERE level = 'NaN') AND tableoid = 'pieces.readings_2'::regclass`,
    // Out-of-line text that updates leave alone: in one transaction, and with a crash in between.
    `INSERT INTO life.docs VALUES (1, 'one', ${long('x')}), (2, 'two', ${long('y')}), (3, 'three', NULL), (4, 'four', '')`,
    `BEGIN`,
    `UPDATE life.docs SET title = 'one again'`,
    `UPDATE life.docs SET title = 'and again' WHERE id < 4`,
    `UPDATE life.docs SET body = ${long('z')} WHERE id = 2`,
    `UPDATE life.docs SET title = 'after' WHERE id = 2`,
    `COMMIT`,
    // Keys that change and leave such text alone: one after the other, and all at once.
    `INSERT INTO life.docs SELECT i, 'key ' || i, repeat(i::text, 100000) FROM generate_series(30, 11, -1) i`,
    `UPDATE life.docs SET id = id + 1, title = title || '+' WHERE id > 10`,
    `BEGIN`,
    `UPDATE life.docs SET id = -1 WHERE id = 12`,
    `UPDATE life.docs SET id = 12 WHERE id = 13`,
    `UPDATE life.docs SET id = 13 WHERE id = -1`,
    `UPDATE life.docs SET id = 100 WHERE id = 14`,
    `UPDATE life.docs SET title = 'on its way' WHERE id = 100`,
    `UPDATE life.docs SET id = 101 WHERE id = 100`,
    `COMMIT`,
    // What Debezium by default takes for a value that is not there.
    `INSERT INTO life.docs VALUES (5, '__debezium_unavailable_value', '__debezium_unavailable_value')`,
    `UPDATE life.docs SET title = 'and no other' WHERE id = 5`,
    `COPY life.quiet FROM PROGRAM 'printf "2\\tcopied\\n3\\t\\\\N\\n"'`,
    // Rows of a table that inherits are not its parent's; a statement on the parent is on both.
    `UPDATE life.base SET v = v || '!'`,
    `DELETE FROM life.base WHERE id = 2`,
    `UPDATE life.computed SET n = 21`,
  );
  await stack.process('transformer').kill();
  await run(
    `UPDATE life.docs SET title = 'during' WHERE id IN (1, 2)`,
    `UPDATE life.docs SET id = 102 WHERE id = 101`,
    `INSERT INTO life.parents SELECT i, 'old' FROM generate_series(1, 50) i`,
    `INSERT INTO life.children SELECT i, i FROM generate_series(1, 50) i`,
    // Emptied, and written to right after.
    `BEGIN`,
    `TRUNCATE life.parents CASCADE`,
    `INSERT INTO life.parents VALUES (7, 'new'), (51, 'new')`,
    `COMMIT`,
    `INSERT INTO life.children VALUES (7, 7)`,
    `INSERT INTO life."Mixed Case ""x"" ${'ö'.repeat(20)}" VALUES (1, 'v', 'd', 'f', 'n'), (2, NULL, '', NULL, '')`,
    `INSERT INTO public.composite VALUES (1, 'of another schema')`,
    // Rows of another region stay, move in, and move out.
    `INSERT INTO pinned.people VALUES (4, 'us', 'STAYS HOME'), (5, 'us', 'STAYS HOME'), (6, 'eu', 'Fay')`,
    `UPDATE pinned.people SET name = 'STAYS HOME too' WHERE id = 2`,
    `UPDATE pinned.people SET region = 'eu', name = 'Eve' WHERE id = 5`,
    `UPDATE pinned.people SET region = 'us', name = 'STAYS HOME now' WHERE id = 3`,
    `DELETE FROM pinned.people WHERE id = 4`,
    // One transaction of 200,000 rows, then all of them changed.
    `INSERT INTO life.counters SELECT i, 'bulk' FROM generate_series(1000, 200999) i`,
    `UPDATE life.counters SET v = id::text WHERE id % 50 = 0`,
  );
  await stack.process('transformer').healthy();
  const comparisons = await waitUntilEqual(catalog, warehouse, 120_000, never);
  expect(comparisons.every(agrees), describeComparisons(comparisons)).toBe(true);
  expect(comparisons).toHaveLength(19);
  for (const [table, group] of [
    ['loose', 'word'],
    ['readings', 'day'],
  ]) {
    const { rows } = await client.query(
      `SELECT ${group}::text AS what, count(*)::text AS copies FROM life.${table} GROUP BY 1 ORDER BY 1`,
    );
    const counted = (from: string, where: string) =>
      rowsOf(
        `SELECT toString(${group}) AS what, toString(count()) AS copies FROM ${from} WHERE ${where} GROUP BY what ORDER BY what`,
      );
    expect(await counted(`any.life__${table}`, 'true')).toEqual(rows);
    expect(await counted(`history.any__life__${table}`, 'valid_to IS NULL')).toEqual(rows);
  }
  expect(await rowsOf('SELECT id, name FROM eu.pinned__people ORDER BY id')).toEqual([
    { id: 1, name: 'Ann' },
    { id: 5, name: 'Eve' },
    { id: 6, name: 'Fay' },
  ]);
  expect(await kafkaHolds('STAYS HOME')).toEqual([]);
  expect(await kafkaHolds('Eve')).toEqual(['eu.pinned.people-0']);

  const histories = await rowsOf<{ table: string; key: string }>(
    `SELECT table, arrayStringConcat(groupArray(concat('\`', replaceAll(name, '\`', '\\\\\`'), '\`')), ', ') AS key
     FROM system.columns WHERE database = 'current' AND is_in_primary_key GROUP BY table`,
  );
  for (const { table, key } of histories.filter((history) => history.table.includes('life__'))) {
    const from = `history.${quoteName(table)}`;
    const [overlaps] = await rowsOf<object>(
      `SELECT countIf(valid_from >= ifNull(valid_to, toDateTime64('2299-01-01', 6, 'UTC'))) AS empty,
         countIf(valid_from < before) AS overlapping
       FROM (SELECT valid_from, valid_to,
               lagInFrame(ifNull(valid_to, toDateTime64('2299-01-01', 6, 'UTC'))) OVER (PARTITION BY ${key} ORDER BY valid_from) AS before
             FROM ${from})`,
    );
    expect({ table, ...overlaps }).toEqual({ table, empty: 0, overlapping: 0 });
    const [now] = await rowsOf<{ open: string; rows: string }>(
      `SELECT toString(countIf(valid_to IS NULL)) AS open, (SELECT toString(count()) FROM any.${quoteName(table.slice('any__'.length))}) AS rows FROM ${from}`,
    );
    expect({ table, open: now?.open }).toEqual({ table, open: now?.rows });
  }
  // What an update left alone is neither NULL nor empty, at any time.
  expect(
    await rowsOf(
      `SELECT id, arraySort(groupUniqArray(ifNull(concat(substring(body, 1, 1), toString(length(body))), 'NULL'))) AS bodies
       FROM history.any__life__docs WHERE id < 5 GROUP BY id ORDER BY id`,
    ),
  ).toEqual([
    { id: 1, bodies: ['x1000000'] },
    { id: 2, bodies: ['y1000000', 'z1000000'] },
    { id: 3, bodies: ['NULL'] },
    { id: 4, bodies: ['0'] },
  ]);
});

const RACE_KINDS =
  'touch touch touch write move swap delete insert savepoint undo commit commit rollback'.split(
    ' ',
  ) as readonly (
    | 'touch'
    | 'write'
    | 'move'
    | 'swap'
    | 'delete'
    | 'insert'
    | 'savepoint'
    | 'undo'
    | 'commit'
    | 'rollback'
  )[];

/** What a session does next; statements that another one's lock holds up undo its transaction. */
const RACE_STEPS = fc.array(
  fc.record({
    session: fc.nat(4),
    id: fc.integer({ min: 1, max: 12 }),
    other: fc.integer({ min: 1, max: 12 }),
    kind: fc.constantFrom(...RACE_KINDS),
  }),
  { minLength: 600, maxLength: 600 },
);

test('sessions that interleave leave what was committed last, across restarts of Connect', async () => {
  const sessions = await Promise.all(
    Array.from({ length: 5 }, async () => {
      const session = new pg.Client({ connectionString: adminUrl });
      await session.connect();
      await session.query("SET lock_timeout = '20ms'");
      return session;
    }),
  );
  const seed = Number(process.env['RACE_SEED'] ?? 1);
  const steps = fc.sample(RACE_STEPS, { seed, numRuns: 1 }).flat();
  const open = new Set<pg.Client>();
  for (const [n, { session: place, id, other, kind }] of steps.entries()) {
    if (n === 200) await stack.process('connect').kill();
    if (n === 400) {
      await stack.process('connect').healthy();
      await stack.process('transformer').kill();
    }
    const session = sessions[place] ?? client;
    const statements = {
      touch: [`UPDATE life.race SET v = ${n} WHERE id = ${id}`],
      write: [`UPDATE life.race SET v = ${n}, body = repeat('${n}.', 2000) WHERE id = ${id}`],
      move: [`UPDATE life.race SET id = ${other} WHERE id = ${id}`],
      swap: [
        `UPDATE life.race SET id = -1 - ${place} WHERE id = ${id}`,
        `UPDATE life.race SET id = ${id} WHERE id = ${other}`,
        `UPDATE life.race SET id = ${other}, v = ${n} WHERE id = -1 - ${place}`,
      ],
      delete: [`DELETE FROM life.race WHERE id = ${id}`],
      insert: [`INSERT INTO life.race VALUES (${id}, ${n}, repeat('${n}-', 2000))`],
      savepoint: ['SAVEPOINT s'],
      undo: ['ROLLBACK TO s'],
      commit: ['COMMIT'],
      rollback: ['ROLLBACK'],
    }[kind];
    try {
      if (!open.has(session)) await session.query('BEGIN');
      open.add(session);
      for (const statement of statements ?? []) await session.query(statement);
    } catch {
      // Locked, or such a key is there: what a service would do.
      await session.query('ROLLBACK');
      open.delete(session);
    }
    if (kind === 'commit' || kind === 'rollback') open.delete(session);
  }
  for (const session of sessions) {
    await session.query('COMMIT');
    await session.end();
  }
  await stack.process('transformer').healthy();
  const { rows } = await client.query<{ n: number }>('SELECT count(*)::int AS n FROM life.race');
  const comparisons = await waitUntilEqual(catalog, warehouse, 120_000, never);
  expect(comparisons.every(agrees), describeComparisons(comparisons)).toBe(true);
  expect(comparisons.find(({ table }) => table === 'race')).toMatchObject({
    sourceRows: rows[0]?.n,
    notCompared: [],
  });
  expect(await rowsOf("SELECT reason FROM ops.dead_letters WHERE topic LIKE '%race'")).toEqual([]);
});
