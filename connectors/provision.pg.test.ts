import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Secret } from '#runtime/config.ts';
import { startPostgres, type PostgresServer } from '../pipeline/testing/postgres-server.ts';
import { parseCatalog } from '../pipeline/catalog/parse-catalog.ts';
import { gatherFacts } from './gather-facts.ts';
import { provision, provisionScript } from './provision.ts';

let server: PostgresServer;
let databases = 0;

beforeAll(async () => {
  server = await startPostgres({ dedicated: true, walLevel: 'logical' });
}, 60_000);
afterAll(async () => server[Symbol.asyncDispose]());

async function session(url: string) {
  const client = new pg.Client(url);
  client.on('error', () => undefined);
  await client.connect();
  return Object.assign(client, { [Symbol.asyncDispose]: async () => client.end() });
}

/** A database with tables of all sorts, and a source that captures schema public of it. */
async function shop() {
  const name = `shop${++databases}`;
  const database = await server.createDatabase(name);
  const owner = await session(database.url);
  await owner.query(`
    CREATE TABLE users (id int PRIMARY KEY);
    CREATE TABLE "it's ""odd""" (id int PRIMARY KEY);
    CREATE TABLE keyless (id int);
    CREATE SCHEMA private;
    CREATE TABLE private.notes (id int PRIMARY KEY);`);
  const url = new URL(database.adminUrl);
  url.username = `capture_${name}`;
  url.password = encodeURIComponent(`it's \\ "quoted"; --$do$`);
  const [source] = parseCatalog(
    `sources: [{name: ${name}, url: '${url.href.replaceAll("'", '%27')}', tables: [public.*]}]`,
    'c.yaml',
    {},
  ).sources;
  if (source === undefined) throw new Error('no source');
  const publication = `tributary_${name}`;
  const published = async () =>
    (
      await owner.query<{ tablename: string }>(
        'SELECT tablename FROM pg_publication_tables WHERE pubname = $1 ORDER BY 1',
        [publication],
      )
    ).rows.map(({ tablename }) => tablename);
  const adminUrl = new Secret(database.adminUrl);
  return { source, owner, adminUrl, url: source.url.reveal(), publication, published };
}

describe('provisioning', () => {
  it('makes a role that may replicate and read the captured tables, and nothing else', async () => {
    const { source, adminUrl, url, published } = await shop();
    await provision(adminUrl, source);
    // A table without primary key must not be published: the service could no longer update it.
    expect(await published()).toEqual([`it's "odd"`, 'users']);
    await using capture = await session(url);
    await capture.query('SELECT * FROM users');
    await capture.query(`SELECT * FROM "it's ""odd"""`);
    await using replication = await session(`${url}?replication=database`);
    expect((await replication.query('IDENTIFY_SYSTEM')).rows).toHaveLength(1);
    for (const refused of [
      'SELECT * FROM keyless',
      'SELECT * FROM private.notes',
      'INSERT INTO users VALUES (1)',
      'DELETE FROM users',
      'CREATE TABLE mine (id int)',
      'CREATE ROLE other',
    ]) {
      await expect(capture.query(refused), refused).rejects.toMatchObject({ code: '42501' });
    }
  });

  it('changes nothing when run again, and follows the tables when they change', async () => {
    const { source, owner, adminUrl, publication, published } = await shop();
    const state = async () =>
      (
        await owner.query(
          `SELECT (SELECT p.oid FROM pg_publication p WHERE pubname = $1) AS publication,
                  (SELECT array_agg(relacl::text ORDER BY oid) FROM pg_class WHERE relkind = 'r' AND relacl IS NOT NULL) AS rights,
                  (SELECT array_agg(rolname || rolreplication ORDER BY oid) FROM pg_roles) AS roles`,
          [publication],
        )
      ).rows;
    await provision(adminUrl, source);
    const first = await state();
    await provision(adminUrl, source);
    expect(await state()).toEqual(first);
    await owner.query('CREATE TABLE orders (id int PRIMARY KEY); DROP TABLE users');
    await provision(adminUrl, source);
    expect(await published()).toEqual([`it's "odd"`, 'orders']);
  });

  it('narrows a publication that was for all tables', async () => {
    const { source, adminUrl, publication, published } = await shop();
    await using admin = await session(adminUrl.reveal());
    await admin.query(`CREATE PUBLICATION ${publication} FOR ALL TABLES`);
    await provision(adminUrl, source);
    expect(await published()).toEqual([`it's "odd"`, 'users']);
  });

  it('gives up rather than make the service wait behind it for a lock', async () => {
    const { source, owner, adminUrl } = await shop();
    await owner.query('BEGIN; LOCK TABLE users IN ACCESS EXCLUSIVE MODE');
    await expect(provision(adminUrl, source)).rejects.toMatchObject({
      code: 'PREFLIGHT_FAILED',
      message: expect.stringContaining('lock timeout') as unknown,
    });
    await owner.query('ROLLBACK');
    await provision(adminUrl, source);
  }, 20_000);

  it('names the script to run when the role may not do it, without the password', async () => {
    const { source, owner } = await shop();
    const { user, password } = owner;
    const asOwner = new URL(source.url.reveal());
    asOwner.username = String(user);
    asOwner.password = String(password);
    const error = await provision(new Secret(asOwner.href), source).catch(
      (thrown: unknown) => thrown,
    );
    expect(error).toMatchObject({
      code: 'PREFLIGHT_FAILED',
      fix: expect.stringContaining(`tributary connectors sql ${source.name}`) as unknown,
    });
    expect(JSON.stringify(error) + String(error)).not.toContain('quoted');
  });

  it('prints a script that does the same, with no password in it', async () => {
    const { source, adminUrl, published } = await shop();
    await using admin = await session(adminUrl.reveal());
    const facts = await gatherFacts(admin, source.address.user, `tributary_${source.name}`);
    const script = provisionScript(source, facts);
    expect(script).not.toContain('quoted');
    await admin.query(script);
    await admin.query(script);
    expect(await published()).toEqual([`it's "odd"`, 'users']);
  });
});
