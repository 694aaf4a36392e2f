import type { ClickHouseClient } from '@clickhouse/client';
import fc from 'fast-check';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Secret } from '#runtime/config.ts';
import { createLogger } from '#runtime/log.ts';
import { migrate } from '../../warehouse/migrate.ts';
import {
  startEmbeddedWarehouse,
  type EmbeddedWarehouse,
} from '../../warehouse/testing/embedded-server.ts';
import type { AvroSchema } from '../avro/avro-schema.ts';
import type { Catalog } from '../catalog/catalog.ts';
import { parseCatalog } from '../catalog/parse-catalog.ts';
import { connectWarehouse } from '../sink/clickhouse-client.ts';
import { quoteName } from '../sink/identifier.ts';
import { storageName } from '../transform/table-plan.ts';
import { MirroredTable } from '../testing/mirrored-table.ts';
import { startPostgres, type PostgresServer } from '../testing/postgres-server.ts';
import { RuleWatch } from './rule-watch.ts';
import { createDriftStore } from './store.ts';

const RULES = `
drift:
  - rule: order-names
    owner: shop.users
    copy: shop.orders
    reference: { user_id: id, tenant: tenant }
    fields: { user_name: name, mail: email }
    normalize: { mail: [trim, lower-case] }
    where: { status: [open, null] }
  - rule: profiles
    owner: shop.users
    copy: shop.profiles
    reference: { tenant: tenant, user_id: id }
    fields: { name: name }
    orphans: allow
    complete: true
`;

let server: PostgresServer;
let embedded: EmbeddedWarehouse;
let warehouse: ClickHouseClient;
let service: pg.Client;
let catalog: Catalog;
let users: MirroredTable;
let orders: MirroredTable;
let profiles: MirroredTable;

const optional = (type: AvroSchema): AvroSchema => ['null', type] as AvroSchema;
const integer = { definition: 'integer', avro: optional('int') };
const text = { definition: 'text', avro: optional('string') };

beforeAll(async () => {
  [server, embedded] = await Promise.all([startPostgres(), startEmbeddedWarehouse()]);
  warehouse = connectWarehouse(
    { url: embedded.url, user: 'default', password: new Secret('') },
    'test',
  );
  await migrate(warehouse, {
    log: createLogger('test', 'silent'),
    signal: new AbortController().signal,
  });
  const database = await server.createDatabase('shop');
  service = new pg.Client({ connectionString: database.adminUrl });
  await service.connect();
  await service.query(`ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO ${database.role}`);
  catalog = parseCatalog(
    `sources:\n  - { name: shop, url: '\${URL}', tables: [public.*] }\n${RULES}`,
    'test.yaml',
    { URL: database.url },
  );
  const key = { definition: 'integer NOT NULL', avro: 'int' as const };
  // Written one after the other: each is a table that a service owns.
  users = await MirroredTable.create(service, warehouse, {
    table: 'users',
    columns: [
      { name: 'tenant', ...key },
      { name: 'id', ...key },
      { name: 'name', ...text },
      { name: 'email', ...text },
    ],
    key: ['tenant', 'id'],
  });
  orders = await MirroredTable.create(service, warehouse, {
    table: 'orders',
    columns: [
      { name: 'no', ...key },
      { name: 'tenant', ...integer },
      { name: 'user_id', ...integer },
      { name: 'user_name', ...text },
      { name: 'mail', ...text },
      { name: 'status', ...text },
    ],
    key: ['no'],
  });
  profiles = await MirroredTable.create(service, warehouse, {
    table: 'profiles',
    columns: [
      { name: 'user_id', ...key },
      { name: 'tenant', ...key },
      { name: 'name', ...text },
    ],
    key: ['user_id', 'tenant'],
  });
});

afterAll(async () => {
  await Promise.all([service?.end(), warehouse?.close()]);
  await Promise.all([server?.[Symbol.asyncDispose](), embedded?.[Symbol.asyncDispose]()]);
});

/** What the services' own tables say, by SQL that has nothing of the monitor's. */
const TRUTH: Readonly<Record<string, string>> = {
  'order-names': `
    SELECT no::text AS key, unnest(CASE
        WHEN u.id IS NULL THEN ARRAY['']
        ELSE array_remove(ARRAY[
          CASE WHEN user_name IS DISTINCT FROM name THEN 'user_name' END,
          CASE WHEN lower(trim(mail)) IS DISTINCT FROM lower(trim(email)) THEN 'mail' END], NULL)
      END) AS field
    FROM orders o LEFT JOIN users u ON u.tenant = o.tenant AND u.id = o.user_id
    WHERE o.tenant IS NOT NULL AND o.user_id IS NOT NULL AND (status = 'open' OR status IS NULL)`,
  profiles: `
    SELECT u.id || ',' || u.tenant AS key,
      CASE WHEN p.user_id IS NULL THEN '' ELSE 'name' END AS field
    FROM users u LEFT JOIN profiles p ON p.tenant = u.tenant AND p.user_id = u.id
    WHERE p.user_id IS NULL OR p.name IS DISTINCT FROM u.name`,
};

async function truth(rule: string): Promise<string[]> {
  const { rows } = await service.query<{ key: string; field: string }>(TRUTH[rule] ?? '');
  return rows.map(({ key, field }) => `${key} ${field}`).sort();
}

function said(watch: RuleWatch): string[] {
  return watch.open
    .map(({ copyKey, field }) => `${(JSON.parse(copyKey) as string[]).join(',')} ${field}`)
    .sort();
}

const names = fc.constantFrom("'Ada'", "'ada '", "'Grace'", "''", 'NULL');
const small = fc.integer({ min: 1, max: 3 });
const maybe = fc.option(small, { nil: 'NULL', freq: 8 });
const step = fc.oneof(
  fc.tuple(small, small, names, names).map(
    ([tenant, id, name, email]) =>
      `INSERT INTO users VALUES (${tenant}, ${id}, ${name}, ${email})
         ON CONFLICT (tenant, id) DO UPDATE SET name = excluded.name, email = excluded.email`,
  ),
  fc
    .tuple(small, small)
    .map(([tenant, id]) => `DELETE FROM users WHERE tenant = ${tenant} AND id = ${id}`),
  fc
    .tuple(
      fc.integer({ min: 1, max: 12 }),
      maybe,
      maybe,
      names,
      names,
      fc.constantFrom("'open'", "'closed'", 'NULL'),
    )
    .map(
      (values) =>
        `INSERT INTO orders VALUES (${values.join(', ')}) ON CONFLICT (no) DO UPDATE
         SET tenant = excluded.tenant, user_id = excluded.user_id, user_name = excluded.user_name,
             mail = excluded.mail, status = excluded.status`,
    ),
  fc.integer({ min: 1, max: 12 }).map((no) => `DELETE FROM orders WHERE no = ${no}`),
  fc.tuple(small, small, names).map(
    (values) =>
      `INSERT INTO profiles VALUES (${values.join(', ')})
         ON CONFLICT (user_id, tenant) DO UPDATE SET name = excluded.name`,
  ),
  fc
    .tuple(small, small)
    .map(([id, tenant]) => `DELETE FROM profiles WHERE user_id = ${id} AND tenant = ${tenant}`),
);

/** Statements that are run one after the other, and whether the warehouse hears of them at once. */
const lives = fc.array(
  fc.record({ steps: fc.array(step, { minLength: 1, maxLength: 8 }), isLate: fc.boolean() }),
  { minLength: 2, maxLength: 6 },
);

/** Nothing is in flight: what differs is said at once. */
const rules = () => catalog.drift.map((rule) => ({ ...rule, allowedStalenessMs: 0 }));

test('property: rounds that look at what was written find what differs at the sources, no more and no less', async () => {
  await fc.assert(
    fc.asyncProperty(lives, async (batches) => {
      const watches = rules().map(
        (rule) => new RuleWatch({ catalog, warehouse, rule, catchUpWith: undefined }),
      );
      for (const { steps, isLate } of [...batches, { steps: [], isLate: false }]) {
        for (const statement of steps) await service.query(statement);
        if (!isLate) {
          for (const table of [users, orders, profiles]) await table.apply(await table.newest());
        }
        for (const watch of watches) {
          await watch.round('changes');
          const right = await truth(watch.rule.name);
          // What the warehouse has not heard of cannot be found; what is said is so all the same.
          if (isLate) expect(right).toEqual(expect.arrayContaining(said(watch)));
          else expect(said(watch)).toEqual(right);
        }
      }
      for (const rule of rules()) {
        const fresh = new RuleWatch({ catalog, warehouse, rule, catchUpWith: undefined });
        await fresh.round('sweep');
        expect(said(fresh)).toEqual(await truth(rule.name));
      }
    }),
    { numRuns: 8 },
  );
}, 240_000);

test('findings go on in the process that comes after, and what is over is healed there', async () => {
  await service.query(`DELETE FROM users; DELETE FROM orders; DELETE FROM profiles`);
  await service.query(`
    INSERT INTO users VALUES (7, 7, 'Ada', 'a@x'), (7, 8, 'Bob', 'b@x');
    INSERT INTO orders VALUES (71, 7, 7, 'Mallory', 'A@X ', 'open'), (72, 7, 8, 'Bob', 'b@x', 'open');
    INSERT INTO profiles VALUES (7, 7, 'Ada'), (8, 7, 'Bob')`);
  for (const table of [users, orders, profiles]) await table.apply(await table.newest());
  const store = createDriftStore(warehouse);
  const [rule] = rules();
  if (rule === undefined) throw new Error('no rule');
  const parts = { catalog, warehouse, rule, catchUpWith: undefined };
  const first = new RuleWatch(parts);
  const { changed, round } = await first.round('sweep');
  await store.writeFindings(changed);
  await store.writeRounds([round]);
  const open = await store.findings({ rules: [rule.name], states: ['open'] });
  expect(open.filter(({ copyKey }) => copyKey === '["71"]')).toMatchObject([
    { field: 'user_name', kind: 'unexplained', ownerKey: '["7","7"]' },
  ]);
  expect(JSON.stringify(open)).not.toMatch(/Mallory|Ada/);

  await service.query(`UPDATE orders SET user_name = 'Ada' WHERE no = 71`);
  // Not even the warehouse has to know.
  const second = new RuleWatch(parts, open);
  const result = await second.round('changes');
  await store.writeFindings(result.changed);
  expect(said(second)).toEqual(await truth(rule.name));
  expect(await store.findings({ rules: [rule.name], states: ['healed'] })).toMatchObject([
    { copyKey: '["71"]', field: 'user_name', openedAt: open[0]?.openedAt },
  ]);
});

test('a source that does not answer leaves findings unconfirmed, and confirmed ones as they are', async () => {
  const [rule] = rules();
  const [source] = catalog.sources;
  if (rule === undefined || source === undefined) throw new Error('no rule');
  const away = {
    ...catalog,
    sources: [{ ...source, url: new Secret('postgres://x:x@127.0.0.1:1/x') }],
  };
  await service.query(`UPDATE orders SET user_name = 'Zoe' WHERE no IN (71, 72)`);
  await orders.apply(await orders.newest());
  const known = new RuleWatch({ catalog, warehouse, rule, catchUpWith: undefined });
  await known.round('sweep');
  const confirmed = known.open.filter(({ copyKey }) => copyKey === '["71"]');
  expect(confirmed).toHaveLength(1);

  const blind = { catalog: away, warehouse, rule, catchUpWith: undefined };
  const watch = new RuleWatch(blind, confirmed);
  const { round } = await watch.round('sweep');
  expect(round).toMatchObject({ open: 1, unconfirmed: watch.open.length - 1 });
  const unconfirmed = watch.open.filter(({ state }) => state === 'unconfirmed');
  expect(unconfirmed.map(({ copyKey }) => copyKey)).toContain('["72"]');
  expect(unconfirmed[0]?.note).toContain('does not answer');

  const back = new RuleWatch({ ...blind, catalog }, watch.open);
  await back.round('sweep');
  expect(back.open.every(({ state }) => state === 'open')).toBe(true);
  expect(said(back)).toEqual(await truth(rule.name));
});

test('a warehouse that holds something else than both sources is found out once it has caught up', async () => {
  const [rule] = rules();
  if (rule === undefined) throw new Error('no rule');
  await service.query(
    `DELETE FROM orders WHERE no NOT IN (72); UPDATE orders SET user_name = 'Bob' WHERE no = 72`,
  );
  await orders.apply(await orders.newest());
  await orders.damage({ user_name: "'Mallory'" }, 'no = 72', 1_000_000_000);
  let caughtUp = 0;
  const watch = new RuleWatch({
    catalog,
    warehouse,
    rule,
    patienceMs: 0,
    catchUpWith: () => async () => {
      caughtUp += 1;
    },
  });
  await watch.round('sweep');
  expect([watch.open, watch.pending, caughtUp]).toEqual([[], 1, 0]);
  await watch.round('changes');
  expect(caughtUp).toBeGreaterThan(0);
  expect(watch.open).toMatchObject([{ copyKey: '["72"]', field: '', kind: 'pipeline' }]);
  expect(watch.pending).toBe(0);

  await orders.restore(2_000_000_000);
  await watch.round('changes');
  expect(watch.open).toEqual([]);
});

test('a copy that the warehouse has newer than a round has read it is not called otherwise', async () => {
  const [rule] = catalog.drift;
  if (rule === undefined) throw new Error('no rule');
  await service.query(`
    DELETE FROM users; DELETE FROM orders;
    INSERT INTO users VALUES (9, 9, 'Ada', 'a@x');
    INSERT INTO orders VALUES (91, 9, 9, 'Ada', 'a@x', 'open')`);
  for (const table of [users, orders]) await table.apply(await table.newest());
  /** Writes what the warehouse holds into the change log, with something else in it. */
  const log = async (table: MirroredTable, hoursAgo: number, op: string, other = '') => {
    const storage = quoteName(storageName(table.plan));
    await warehouse.command({
      query: `INSERT INTO changes.${storage}
              SELECT * REPLACE (${other} '${op}' AS _op, _version - ${hoursAgo} AS _version,
                                now64(6) - INTERVAL ${hoursAgo} HOUR AS _committed_at)
              FROM current.${storage} FINAL`,
    });
  };
  await log(users, 3, 'insert');
  await log(orders, 3, 'insert');
  await service.query(`UPDATE users SET name = 'Grace'`);
  await users.apply(await users.newest());
  await log(users, 2, 'update');

  const watch = new RuleWatch({
    catalog,
    warehouse,
    rule: { ...rule, allowedStalenessMs: 1 },
    catchUpWith: undefined,
  });
  await watch.round('sweep');
  const missed = { copyKey: '["91"]', field: 'user_name', kind: 'missed update' };
  expect(watch.open).toMatchObject([missed]);
  // The copy is mended between the reads of a round: after that of its source, before that of the log.
  await log(orders, 1, 'update', `'Grace' AS user_name,`);
  await watch.round('sweep');
  expect(watch.open).toMatchObject([missed]);
  // What stays so is said.
  await watch.round('sweep');
  expect(watch.open).toMatchObject([{ ...missed, kind: 'unexplained' }]);
});
