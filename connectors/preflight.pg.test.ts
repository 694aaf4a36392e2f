import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Secret } from '#runtime/config.ts';
import { startPostgres, type PostgresServer } from '../pipeline/testing/postgres-server.ts';
import type { Source } from '../pipeline/catalog/catalog.ts';
import { parseCatalog } from '../pipeline/catalog/parse-catalog.ts';
import type { Finding, FindingId } from './finding.ts';
import { preflight } from './preflight.ts';
import { provision } from './provision.ts';

const SLOTS = 4;
let server: PostgresServer;
let databases = 0;

beforeAll(async () => {
  server = await startPostgres({
    dedicated: true,
    walLevel: 'logical',
    settings: { max_slot_wal_keep_size: '64MB', max_replication_slots: String(SLOTS) },
  });
}, 60_000);
afterAll(async () => server[Symbol.asyncDispose]());

/** A provisioned source with two tables, in a database and with a capture role of its own. */
async function shop(tables = '[public.*]', more = '') {
  const name = `shop${++databases}`;
  const database = await server.createDatabase(name);
  const admin = async (sql: string) => query(database.adminUrl, sql);
  const owner = async (sql: string) => query(database.url, sql);
  await owner('CREATE TABLE users (id int PRIMARY KEY, name text)');
  await owner('CREATE TABLE "Order Lines" (id int, line int, PRIMARY KEY (id, line))');
  const url = new URL(database.adminUrl);
  url.username = `capture_${name}`;
  url.password = 'it%27s';
  const source = sourceOf(name, url.href, tables, more);
  await provision(new Secret(database.adminUrl), source);
  const check = async (connectorExists = false) =>
    preflight(source, { catalogPath: 'tributary.yaml', connectorExists });
  return {
    name,
    source,
    role: `capture_${name}`,
    adminUrl: database.adminUrl,
    admin,
    owner,
    check,
  };
}

function sourceOf(name: string, url: string, tables: string, more: string): Source {
  const text = `sources:\n  - name: ${name}\n    url: ${url}\n    tables: ${tables}\n${more}`;
  const env = { TRIBUTARY_MASK_KEY: 'a key that nobody guesses' };
  const [source] = parseCatalog(text, 'tributary.yaml', env).sources;
  if (source === undefined) throw new Error('no source');
  return source;
}

async function query(url: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client(url);
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
}

type Shop = Awaited<ReturnType<typeof shop>>;
const ids = (findings: readonly Finding[]) => findings.map(({ id }) => id);

/** A fault, and what preflight says of it. */
interface Planted {
  readonly id: FindingId;
  readonly fault: (shop: Shop) => string;
  readonly says: RegExp;
  readonly severity?: 'warning';
}

const PLANTED: readonly Planted[] = [
  {
    id: 'role-cannot-replicate',
    fault: ({ role }) => `ALTER ROLE ${role} NOREPLICATION`,
    says: /may not replicate/,
  },
  {
    id: 'role-too-powerful',
    fault: ({ role }) => `ALTER ROLE ${role} CREATEDB CREATEROLE`,
    says: /CREATEROLE and CREATEDB/,
    severity: 'warning',
  },
  {
    id: 'role-can-write',
    fault: ({ role }) => `GRANT UPDATE, TRUNCATE ON "Order Lines" TO ${role}`,
    says: /may also UPDATE, TRUNCATE on public\."Order Lines"/,
    severity: 'warning',
  },
  {
    id: 'role-cannot-read',
    fault: ({ role }) => `REVOKE SELECT ON "Order Lines" FROM ${role}`,
    says: /may not read public\."Order Lines"/,
  },
  {
    id: 'role-cannot-read',
    fault: ({ role }) => `REVOKE USAGE ON SCHEMA public FROM ${role}, PUBLIC`,
    says: /may not read/,
  },
  {
    id: 'row-security',
    fault: () => 'ALTER TABLE users ENABLE ROW LEVEL SECURITY',
    says: /public\.users has row security/,
  },
  {
    id: 'publication-missing',
    fault: ({ name }) => `DROP PUBLICATION tributary_${name}`,
    says: /there is no publication/,
  },
  {
    id: 'publication-not-listed',
    fault: ({ name }) =>
      `DROP PUBLICATION tributary_${name}; CREATE PUBLICATION tributary_${name} FOR ALL TABLES`,
    says: /for all tables/,
  },
  {
    id: 'publication-not-listed',
    fault: ({ name }) =>
      `DROP PUBLICATION tributary_${name}; CREATE PUBLICATION tributary_${name} FOR TABLES IN SCHEMA public`,
    says: /for all tables of schema public/,
  },
  {
    id: 'publication-lacks-table',
    fault: ({ name }) => `ALTER PUBLICATION tributary_${name} DROP TABLE "Order Lines"`,
    says: /does not list public\."Order Lines"/,
  },
  {
    id: 'publication-extra-table',
    fault: ({ name }) =>
      `CREATE SCHEMA o; CREATE TABLE o."x""y" (id int PRIMARY KEY); ALTER PUBLICATION tributary_${name} ADD TABLE o."x""y"`,
    says: /lists o\."x""y"/,
    severity: 'warning',
  },
  {
    id: 'publication-filters',
    fault: ({ name }) =>
      `ALTER PUBLICATION tributary_${name} SET TABLE users WHERE (id > 1), "Order Lines"`,
    says: /row filter on public\.users/,
  },
  {
    id: 'publication-filters',
    fault: ({ name }) => `ALTER PUBLICATION tributary_${name} SET TABLE users (id), "Order Lines"`,
    says: /column list on public\.users/,
  },
  {
    id: 'publication-operations',
    fault: ({ name }) => `ALTER PUBLICATION tributary_${name} SET (publish = 'insert, update')`,
    says: /leaves out delete, truncate/,
  },
  {
    id: 'publication-not-via-root',
    fault: ({ name, role }) =>
      `CREATE TABLE parts (id int PRIMARY KEY) PARTITION BY RANGE (id); GRANT SELECT ON parts TO ${role};
       ALTER PUBLICATION tributary_${name} ADD TABLE parts;
       ALTER PUBLICATION tributary_${name} SET (publish_via_partition_root = false)`,
    says: /under their own names/,
  },
  {
    id: 'no-primary-key',
    fault: () => 'ALTER TABLE users DROP CONSTRAINT users_pkey',
    says: /public\.users has no primary key, and its replica identity is not FULL/,
  },
  {
    id: 'no-primary-key',
    fault: ({ name, role }) =>
      `CREATE TABLE log (day date, word text) PARTITION BY RANGE (day); GRANT SELECT ON log TO ${role};
       CREATE TABLE log_1 PARTITION OF log DEFAULT; ALTER TABLE log REPLICA IDENTITY FULL;
       ALTER PUBLICATION tributary_${name} ADD TABLE log`,
    says: /public\.log has no primary key, and its replica identity is not FULL/,
  },
  {
    id: 'no-primary-key',
    fault: () =>
      'ALTER TABLE users DROP CONSTRAINT users_pkey; ALTER TABLE users ADD COLUMN code text UNIQUE, REPLICA IDENTITY FULL',
    says: /public\.users has no primary key, but the unique index users_code_key/,
  },
  {
    id: 'no-primary-key',
    fault: () =>
      'ALTER TABLE "Order Lines" DROP CONSTRAINT "Order Lines_pkey"; CREATE UNIQUE INDEX "One Line" ON "Order Lines" (line, id)',
    says: /public\."Order Lines" has no primary key/,
  },
  {
    id: 'replica-identity',
    fault: () => 'ALTER TABLE users REPLICA IDENTITY NOTHING',
    says: /replica identity of public\.users is not its primary key/,
  },
  {
    id: 'replica-identity',
    fault: () =>
      'CREATE UNIQUE INDEX "One Line" ON "Order Lines" (line, id); ALTER TABLE "Order Lines" REPLICA IDENTITY USING INDEX "One Line"',
    says: /replica identity of public\."Order Lines" is an index over \(line, id\), and the catalog says nothing of it/,
  },
  {
    id: 'column-names-collide',
    fault: () => 'ALTER TABLE users ADD COLUMN "a-b" int, ADD COLUMN "a b" int',
    says: /columns "a-b" and "a b" of public\.users/,
  },
];

describe('preflight', () => {
  it('finds nothing to say about a source that provisioning has prepared', async () => {
    const { check } = await shop();
    const report = await check();
    expect(report.findings).toEqual([]);
    expect(report.tables.map(({ table }) => table)).toEqual(['Order Lines', 'users']);
  });

  it.each(PLANTED)('finds $id ($says), and its SQL mends it', async (planted) => {
    const planting = await shop();
    await planting.admin(planted.fault(planting));
    const { findings } = await planting.check();
    const found = findings.filter(({ id }) => id === planted.id);
    expect(found[0]?.what).toMatch(planted.says);
    expect(found[0]?.severity).toBe(planted.severity ?? 'error');
    for (const statement of found.flatMap(({ sql }) => sql)) await planting.admin(statement);
    expect(ids((await planting.check()).findings)).not.toContain(planted.id);
  });

  it('wants an outbox to be there and to have what the router reads', async () => {
    const { check, owner, source, adminUrl } = await shop(
      '[public.*]',
      '    outbox: messaging.outbox\n',
    );
    expect(ids((await check()).findings)).toEqual(['outbox-missing']);
    await owner(`CREATE SCHEMA messaging; CREATE TABLE messaging.outbox (id uuid PRIMARY KEY,
      aggregatetype text, aggregateid bigint, type text, created_at timestamptz)`);
    await provision(new Secret(adminUrl), source);
    const [finding, ...others] = (await check()).findings;
    expect(others).toEqual([]);
    expect(finding).toMatchObject({ id: 'outbox-columns' });
    expect(finding?.what).toContain('aggregateid text or varchar, payload jsonb or json');
    await owner(`ALTER TABLE messaging.outbox ALTER aggregateid TYPE text, ADD payload jsonb`);
    const report = await check();
    expect(report.findings).toEqual([]);
    // It is published, but it is no table of the warehouse.
    expect(report.tables.map(({ table }) => table)).toEqual(['Order Lines', 'users']);
  });

  it('tells masks that match nothing or cannot be', async () => {
    const { admin, source, adminUrl } = await shop();
    await admin('ALTER TABLE users ADD COLUMN height real, ADD COLUMN tags text[]');
    const masked = sourceOf(
      source.name,
      adminUrl,
      '[public.*]',
      `    mask:
      public.users.emial: redact
      public.users.id: drop
      public.users.height: hash
      public.users.tags: hash
      public.users.name: hash
`,
    );
    const { findings } = await preflight(masked, {
      catalogPath: 'tributary.yaml',
      connectorExists: false,
    });
    expect(findings.filter(({ id }) => id.startsWith('mask-')).map(({ what }) => what)).toEqual([
      expect.stringMatching(/^no column matches public\.users\.emial .*tributary\.yaml:6/),
      expect.stringMatching(/^public\.users\.id .* drop/),
      expect.stringMatching(/^public\.users\.height .* hash/),
      expect.stringMatching(/^public\.users\.tags .* hash/),
    ]);
  });

  it('tells every fault at once, errors first', async () => {
    const { admin, check, role } = await shop();
    await admin(`GRANT DELETE ON users TO ${role}; ALTER TABLE users REPLICA IDENTITY NOTHING`);
    await admin(`REVOKE SELECT ON "Order Lines" FROM ${role}`);
    expect(ids((await check()).findings)).toEqual([
      'replica-identity',
      'role-cannot-read',
      'role-can-write',
    ]);
  });

  it('says where a pattern stands that matches nothing, and what was meant', async () => {
    const { check } = await shop('[public.*, public.user]', '    exclude: [public.nothing]\n');
    const found = (await check()).findings;
    expect(found.map(({ severity, what, why }) => [severity, what, why])).toEqual([
      [
        'error',
        'no table matches public.user under `tables` (tributary.yaml:4)',
        'Did you mean public.users?',
      ],
      [
        'warning',
        'no table matches public.nothing under `exclude` (tributary.yaml:5)',
        expect.anything(),
      ],
    ]);
  });

  it('refuses a key by which two rows may be one for a moment, whatever the replica identity', async () => {
    const { admin, check } = await shop();
    await admin(
      `ALTER TABLE users DROP CONSTRAINT users_pkey; ALTER TABLE users ADD PRIMARY KEY (id) DEFERRABLE INITIALLY DEFERRED;
       ALTER TABLE users REPLICA IDENTITY FULL`,
    );
    const find = async () => (await check()).findings.find(({ id }) => id === 'replica-identity');
    const found = await find();
    expect(found).toMatchObject({
      severity: 'error',
      what: 'the primary key of public.users is deferrable',
    });
    await admin(found?.sql.join('\n') ?? '');
    expect(await find()).toBeUndefined();
  });

  it('refuses partitions beside their root, which the snapshot would read twice', async () => {
    const { admin, check } = await shop();
    await admin('CREATE TABLE log (id int PRIMARY KEY) PARTITION BY RANGE (id)');
    await admin('CREATE TABLE log_1 PARTITION OF log FOR VALUES FROM (0) TO (9)');
    const { findings, tables } = await check();
    expect(findings.find(({ id }) => id === 'partition-matched')?.what).toContain('public.log_1');
    expect(tables.map(({ table }) => table)).toEqual(['Order Lines', 'log', 'users']);
  });

  it('refuses what would be lost on the way, and names that would fall together', async () => {
    const { admin, check } = await shop('[public.*]', '    text_columns: [public.lost.kept]\n');
    await admin(
      'CREATE TABLE lost (id int PRIMARY KEY, grid int[][], kept int[][], spans interval[], flags varbit)',
    );
    await admin('CREATE UNLOGGED TABLE fleeting (id int PRIMARY KEY)');
    await admin('CREATE TABLE "user s" (id int PRIMARY KEY)');
    await admin('CREATE TABLE user_s (id int PRIMARY KEY)');
    const errors = (await check()).findings.filter(({ severity }) => severity === 'error');
    const said = errors.map(({ id, what }) => `${id}: ${what}`).join('\n');
    expect(said).toContain('array-of-arrays: public.lost.grid is an array of 2 dimensions');
    expect(said).not.toMatch(/lost\.(?:kept|spans|flags)/);
    expect(said).toContain('unlogged-table: public.fleeting');
    expect(said).toContain('names-collide: public."user s" and public.user_s');
  });

  it('lets only the rows leave that the catalog names, and notices every way around it', async () => {
    const { adminUrl, url: ownerUrl } = await server.createDatabase('regions');
    const admin = async (sql: string) => query(adminUrl, sql);
    await query(
      ownerUrl,
      `CREATE TABLE people (id int PRIMARY KEY, region text, kind varchar(9), name text);
       CREATE TABLE other (id int PRIMARY KEY, region text);
       INSERT INTO people VALUES (1, 'eu', 'a', 'Ann'), (2, 'us', 'a', 'Bob'), (3, 'ch', 'b', 'Cy')`,
    );
    await admin("CREATE ROLE reports LOGIN PASSWORD 'r'");
    await admin('GRANT CONNECT ON DATABASE regions TO reports');
    await admin('GRANT SELECT ON people TO reports');
    const url = new URL(adminUrl);
    url.username = 'capture_regions';
    const more = `    rows: { public.people: { region: [eu, ch], kind: [a] } }\n`;
    const source = sourceOf('regions', url.href, '[public.*]', more);
    const findings = async () =>
      (await preflight(source, { catalogPath: 'c', connectorExists: false })).findings.filter(
        ({ severity }) => severity === 'error',
      );
    const reports = new URL(adminUrl);
    reports.username = 'reports';
    reports.password = 'r';
    // Twice: it changes nothing more.
    await provision(new Secret(adminUrl), source);
    await provision(new Secret(adminUrl), source);
    expect(await findings()).toEqual([]);
    expect(await query(url.href, 'SELECT name FROM people')).toEqual([{ name: 'Ann' }]);
    // Whoever saw the table still does, and the service may write what it likes.
    expect(await query(ownerUrl, 'SELECT count(*)::int AS n FROM people')).toEqual([{ n: 3 }]);
    expect(await query(reports.href, 'SELECT name FROM people')).toHaveLength(3);
    await query(ownerUrl, `UPDATE people SET region = 'us' WHERE id = 3`);

    const faults: readonly (readonly [FindingId, string])[] = [
      ['rows-not-hidden', 'ALTER TABLE people DISABLE ROW LEVEL SECURITY'],
      ['rows-not-hidden', 'DROP POLICY tributary_capture_regions_only ON people'],
      [
        'rows-not-hidden',
        `ALTER POLICY tributary_capture_regions_only ON people USING (region IN ('eu', 'us') AND kind = 'a')`,
      ],
      ['rows-not-hidden', 'ALTER ROLE capture_regions BYPASSRLS'],
      ['publication-filters', 'ALTER PUBLICATION tributary_regions SET TABLE people, other'],
      [
        'publication-filters',
        `ALTER PUBLICATION tributary_regions SET TABLE people WHERE (region = 'us'), other`,
      ],
      [
        'publication-filters',
        `ALTER TABLE other REPLICA IDENTITY FULL;
         ALTER PUBLICATION tributary_regions SET TABLE people WHERE (region IN ('eu', 'ch') AND kind = 'a'), other WHERE (region = 'eu')`,
      ],
      ['replica-identity', 'ALTER TABLE people REPLICA IDENTITY DEFAULT'],
    ];
    for (const [id, fault] of faults) {
      await admin(fault);
      const found = await findings();
      expect([fault, ids(found)]).toEqual([fault, [id]]);
      for (const statement of found.flatMap(({ sql }) => sql)) await admin(statement);
      expect([fault, await findings()]).toEqual([fault, []]);
    }
    for (const [line, says] of [
      ['public.poeple: { region: [eu] }', 'public.poeple has a line under `rows`'],
      ['public.people: { regoin: [eu] }', 'public.people has no column regoin'],
    ] as const) {
      const wrong = sourceOf('regions', url.href, '[public.*]', `    rows: { ${line} }\n`);
      const report = await preflight(wrong, { catalogPath: 'c', connectorExists: false });
      expect(report.findings.map(({ what }) => what).join('\n')).toContain(says);
    }
  });

  it('warns of a superuser', async () => {
    const { name, adminUrl, check } = await shop();
    expect((await check()).canProvision).toBe(false);
    const source = sourceOf(name, adminUrl, '[public.*]', '');
    const report = await preflight(source, { catalogPath: 'c', connectorExists: false });
    expect(ids(report.findings)).toEqual(['role-too-powerful']);
    expect(report.canProvision).toBe(true);
  });

  it('tells a slot somebody else reads, a foreign one, a lost one, and that none is free', async () => {
    const { name, adminUrl, admin, owner, check } = await shop();
    const slot = `tributary_${name}`;
    await admin(`SELECT pg_create_logical_replication_slot('${slot}', 'test_decoding')`).catch(
      // Not every build brings test_decoding along; a physical slot is foreign as well.
      () => admin(`SELECT pg_create_physical_replication_slot('${slot}')`),
    );
    expect(ids((await check()).findings)).toEqual(['slot-foreign']);
    await admin(`SELECT pg_drop_replication_slot('${slot}')`);

    await admin(`SELECT pg_create_logical_replication_slot('${slot}', 'pgoutput')`);
    const reader = await readSlot(adminUrl, slot, slot);
    try {
      await expect.poll(async () => ids((await check(false)).findings)).toEqual(['slot-in-use']);
      expect((await check(true)).findings).toEqual([]);
    } finally {
      await reader.end();
    }

    // More WAL than max_slot_wal_keep_size, and a checkpoint that removes it.
    await owner('CREATE TABLE junk (id int PRIMARY KEY, filling text)');
    await expect
      .poll(
        async () => {
          await admin(
            `INSERT INTO junk SELECT coalesce(max(id), 0) + g, repeat('x', 900) FROM junk, generate_series(1, 20000) g GROUP BY g`,
          );
          await admin('SELECT pg_switch_wal()');
          await admin('CHECKPOINT');
          return ids((await check()).findings);
        },
        { timeout: 60_000, interval: 10 },
      )
      .toContain('slot-lost');
    const lost = (await check()).findings.find(({ id }) => id === 'slot-lost');
    for (const statement of lost?.sql ?? []) await admin(statement);
    expect(ids((await check()).findings)).not.toContain('slot-lost');

    for (let index = 0; index < SLOTS; index++) {
      await admin(`SELECT pg_create_physical_replication_slot('filler_${index}')`);
    }
    const full = (await check()).findings.find(({ id }) => id === 'no-free-slot');
    expect(full?.what).toBe(`all ${SLOTS} replication slots of the server are taken`);
    expect(full?.why).toContain('filler_0');
    for (let index = 0; index < SLOTS; index++) {
      await admin(`SELECT pg_drop_replication_slot('filler_${index}')`);
    }
  }, 90_000);

  it('asks for wal_level = logical and a bound for retained WAL, and its SQL makes it so', async () => {
    await using fresh = await startPostgres({ dedicated: true });
    const database = await fresh.createDatabase('plain');
    await query(database.url, 'CREATE TABLE t (id int PRIMARY KEY)');
    const source = sourceOf('plain', database.adminUrl, '[public.*]', '');
    const check = async () => preflight(source, { catalogPath: 'c', connectorExists: false });
    const before = (await check()).findings;
    expect(ids(before)).toEqual(
      expect.arrayContaining(['wal-level', 'wal-unbounded', 'publication-missing']),
    );
    for (const statement of before.flatMap(({ sql }) => sql)) {
      await query(database.adminUrl, statement);
    }
    // The server of tests has its wal_level from the command line, which a restart would not change.
    expect(
      await query(
        database.adminUrl,
        "SELECT setting FROM pg_file_settings WHERE name = 'wal_level'",
      ),
    ).toEqual([{ setting: 'logical' }]);
    expect(ids((await check()).findings)).toEqual(['wal-level', 'role-too-powerful']);
  }, 60_000);

  it('says which of user, password and database is wrong, and never the password', async () => {
    const { source } = await shop();
    const url = new URL(source.url.reveal());
    url.password = 'hunter2';
    const wrong = sourceOf('wrong', url.href, '[a.b]', '');
    const error = await preflight(wrong, { catalogPath: 'c', connectorExists: false }).catch(
      (thrown: unknown) => thrown,
    );
    expect(error).toMatchObject({ code: 'PREFLIGHT_FAILED' });
    expect(String(error)).toContain('password authentication failed');
    expect(String(error)).not.toContain('hunter2');
    url.port = '1';
    const away = sourceOf('away', url.href, '[a.b]', '');
    await expect(
      preflight(away, { catalogPath: 'c', connectorExists: false }),
    ).rejects.toMatchObject({ code: 'SOURCE_UNAVAILABLE' });
  });
});

/** Reads a slot as a connector would, until ended. */
async function readSlot(url: string, slot: string, publication: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: `${url}?replication=database` });
  client.on('error', () => undefined);
  await client.connect();
  void client
    .query(
      `START_REPLICATION SLOT ${slot} LOGICAL 0/0 (proto_version '1', publication_names '${publication}')`,
    )
    .catch(() => undefined);
  return client;
}
