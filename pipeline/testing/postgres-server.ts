import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { OwnPostgres } from './own-postgres.ts';

/** How to get a server for a test. */
export interface PostgresOptions {
  /** @defaultValue 'replica', PostgreSQL's own default; capture needs 'logical' */
  readonly walLevel?: 'replica' | 'logical';
  /** Start an own server even when TEST_PG_URL is set: for tests that stop and start it. */
  readonly dedicated?: boolean;
  /** Further settings of an own server, such as `{ max_replication_slots: '20' }`. */
  readonly settings?: Readonly<Record<string, string>>;
}

/** A fresh database with an own role that owns it and may not do anything else. */
export interface TestDatabase {
  readonly name: string;
  readonly role: string;
  readonly password: string;
  /** URL as the owning role. */
  readonly url: string;
  /** URL as the superuser. */
  readonly adminUrl: string;
}

/** A real PostgreSQL server, gone with everything in it when disposed. */
export interface PostgresServer extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  /** URL of a fresh database as its owner, an ordinary role. */
  readonly url: string;
  /** URL of database `postgres` as the superuser. */
  readonly adminUrl: string;
  /**
   * Makes a database and the role that owns it; nobody else may connect. On a server that is
   * shared (TEST_PG_URL) both names get a random suffix: read them from the answer.
   *
   * @param role - defaults to `<name>_service`
   */
  createDatabase(name: string, role?: string): Promise<TestDatabase>;
  /**
   * Ends the server, keeping its data: `fast` as an administrator would, `immediate` as a crash.
   *
   * @throws Error on a server that is not ours (TEST_PG_URL)
   */
  stop(mode?: 'fast' | 'immediate'): Promise<void>;
  /** Starts the stopped server again on the same port. */
  start(): Promise<void>;
}

/**
 * Gives a test a real PostgreSQL server: the one TEST_PG_URL names (a superuser's URL), else an
 * own one on a free loopback port with its data in the temporary directory. Use it with
 * `await using`, or dispose it in `afterAll`. An own server also ends when the test process dies.
 */
export async function startPostgres(options: PostgresOptions = {}): Promise<PostgresServer> {
  const given = process.env['TEST_PG_URL'];
  const attach = given !== undefined && given !== '' && options.dedicated !== true;
  const own = attach ? undefined : await OwnPostgres.create(options);
  const adminUrl = own?.adminUrl ?? given ?? '';
  try {
    if (own === undefined) await requireWalLevel(adminUrl, options.walLevel ?? 'replica');
    return await describeServer(adminUrl, own);
  } catch (error) {
    await own?.remove();
    throw error;
  }
}

async function describeServer(
  adminUrl: string,
  own: OwnPostgres | undefined,
): Promise<PostgresServer> {
  const databases: TestDatabase[] = [];
  const createDatabase = async (name: string, role = `${name}_service`) => {
    const suffix = own === undefined ? `_${randomBytes(4).toString('hex')}` : '';
    const database = await makeDatabase(adminUrl, `${name}${suffix}`, `${role}${suffix}`);
    databases.push(database);
    return database;
  };
  const requireOwn = () => {
    if (own === undefined) throw new Error('this server is not ours; ask for a dedicated one');
    return own;
  };
  const { hostname, port } = new URL(adminUrl);
  const { url } = await createDatabase('test', 'test');
  return {
    host: hostname,
    port: Number(port === '' ? 5432 : port),
    url,
    adminUrl,
    createDatabase,
    stop: async (mode = 'fast') => requireOwn().stop(mode),
    start: async () => requireOwn().start(),
    [Symbol.asyncDispose]: async () => {
      if (own !== undefined) return own.remove();
      for (const database of databases) await dropDatabase(adminUrl, database);
    },
  };
}

async function makeDatabase(adminUrl: string, name: string, role: string): Promise<TestDatabase> {
  const password = randomBytes(12).toString('hex');
  await withClient(adminUrl, async (client) => {
    const database = client.escapeIdentifier(name);
    const owner = client.escapeIdentifier(role);
    await client.query(`CREATE ROLE ${owner} LOGIN PASSWORD ${client.escapeLiteral(password)}`);
    await client.query(`CREATE DATABASE ${database} OWNER ${owner}`);
    await client.query(`REVOKE ALL ON DATABASE ${database} FROM PUBLIC`);
  });
  const url = new URL(adminUrl);
  url.pathname = `/${name}`;
  const asAdmin = url.href;
  url.username = role;
  url.password = password;
  return { name, role, password, url: url.href, adminUrl: asAdmin };
}

async function dropDatabase(adminUrl: string, database: TestDatabase): Promise<void> {
  await withClient(adminUrl, async (client) => {
    await client.query(
      'SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = $1 AND NOT active',
      [database.name],
    );
    await client.query(
      `DROP DATABASE IF EXISTS ${client.escapeIdentifier(database.name)} WITH (FORCE)`,
    );
    await client.query(`DROP ROLE IF EXISTS ${client.escapeIdentifier(database.role)}`);
  });
}

async function requireWalLevel(adminUrl: string, wanted: 'replica' | 'logical'): Promise<void> {
  if (wanted === 'replica') return;
  await withClient(adminUrl, async (client) => {
    const { rows } = await client.query<{ wal_level: string }>('SHOW wal_level');
    if (rows[0]?.wal_level !== wanted) {
      throw new Error(
        `the server of TEST_PG_URL has wal_level ${rows[0]?.wal_level}; this test needs ${wanted}`,
      );
    }
  });
}

async function withClient(url: string, use: (client: pg.Client) => Promise<void>): Promise<void> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 10_000 });
  await client.connect();
  try {
    await use(client);
  } finally {
    await client.end();
  }
}
