import { execFile } from 'node:child_process';
import { chmod, chown, mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { Secret } from '#runtime/config.ts';
import { describeError, TributaryError } from '#runtime/errors.ts';
import { pathExists } from './path-exists.ts';
import { postgresBinaries, unprivilegedAccount, type Account } from './postgres-binaries.ts';
import { keptPassword } from './secrets.ts';
import { portOf, statePath, type LocalSettings, type ShopDatabase } from './settings.ts';
import type { ProcessSpec } from './process-spec.ts';

const run = promisify(execFile);

const SUPERUSER = 'postgres';
/** Role that Debezium connects as; see connectors/. */
export const CAPTURE_ROLE = 'tributary_capture';

/** Settings of every service's server; docker-compose.yml has the same. */
export const POSTGRES_SETTINGS = {
  wal_level: 'logical',
  // A slot that nobody reads may hold this much and no more: the service's disk comes first.
  max_slot_wal_keep_size: '2GB',
  max_replication_slots: '10',
  max_wal_senders: '10',
  // Small: six servers share one machine.
  shared_buffers: '32MB',
  max_wal_size: '256MB',
  max_connections: '50',
  timezone: 'UTC',
  log_timezone: 'UTC',
} as const;

/** Roles' URLs of one service's database. */
export interface ServiceDatabase {
  /** As the superuser of the server; for provisioning alone. */
  readonly adminUrl: Secret;
  /** As the service's own role, which owns the database. */
  readonly serviceUrl: Secret;
  /** As the role that replicates. */
  readonly captureUrl: Secret;
}

/** The PostgreSQL server of one service: own process, port, data folder and passwords. */
export async function postgresProcess(
  settings: LocalSettings,
  service: ShopDatabase,
): Promise<ProcessSpec> {
  const name = `postgres-${service}` as const;
  const folder = statePath(settings, 'pg', service);
  const data = join(folder, 'data');
  const port = portOf(settings, name);
  const binaries = await postgresBinaries();
  const account = await unprivilegedAccount();
  const { adminUrl } = await serviceDatabase(settings, service);
  await mkdir(folder, { recursive: true });
  if (account !== undefined) await chown(folder, account.uid, account.gid);
  await chmod(folder, 0o700);
  if (!(await pathExists(data))) {
    await initialize(
      { initdb: binaries.initdb, account, folder, data, env: settings.baseEnv },
      adminUrl,
    );
  }
  return {
    name,
    command: binaries.postgres,
    args: [
      '-D',
      data,
      '-p',
      String(port),
      ...Object.entries({
        ...POSTGRES_SETTINGS,
        listen_addresses: '127.0.0.1',
        unix_socket_directories: '',
      }).flatMap(([key, value]) => ['-c', `${key}=${value}`]),
    ],
    env: settings.baseEnv,
    cwd: folder,
    account,
    logFile: statePath(settings, 'logs', `${name}.log`),
    isHealthy: () => answers(adminUrl),
    startTimeoutMs: 60_000,
    // Fast shutdown: sessions are ended, nothing is lost. SIGTERM would wait for every client.
    stopSignal: 'SIGINT',
    graceMs: 20_000,
  };
}

/** Makes a data folder, whole or not at all. @throws TributaryError `STACK_FAILED` */
async function initialize(
  place: {
    readonly initdb: string;
    readonly account: Account | undefined;
    readonly folder: string;
    readonly data: string;
    readonly env: Readonly<Record<string, string>>;
  },
  adminUrl: Secret,
): Promise<void> {
  const { initdb, account, folder, data, env } = place;
  // What an initdb that was killed left behind.
  for (const name of await readdir(folder)) await rm(join(folder, name), { recursive: true });
  const aside = `${data}-${process.pid}`;
  const password = join(folder, 'initial-password');
  await writeFile(password, new URL(adminUrl.reveal()).password, { mode: 0o600 });
  if (account !== undefined) await chown(password, account.uid, account.gid);
  try {
    await run(
      initdb,
      [
        `--pgdata=${aside}`,
        `--username=${SUPERUSER}`,
        `--pwfile=${password}`,
        '--auth=scram-sha-256',
        '--encoding=UTF8',
        '--locale=C',
      ],
      { cwd: folder, env, ...account },
    );
    await rename(aside, data);
  } catch (error) {
    await rm(aside, { recursive: true, force: true });
    throw new TributaryError(
      'STACK_FAILED',
      `initdb in ${folder} failed: ${describeError(error)}`,
      {
        cause: error,
        fix: 'Check that the disk is not full and, when running as root, that the account postgres or nobody may enter this folder.',
      },
    );
  } finally {
    await rm(password, { force: true });
  }
}

/** URLs of a service's database; passwords are made at the first call and kept. */
export async function serviceDatabase(
  settings: LocalSettings,
  service: ShopDatabase,
): Promise<ServiceDatabase> {
  const secrets = statePath(settings, 'secrets');
  const port = portOf(settings, `postgres-${service}`);
  const url = async (role: string, database: string) => {
    const password = await keptPassword(secrets, `${service}-${role}`);
    return new Secret(`postgres://${role}:${password.reveal()}@127.0.0.1:${port}/${database}`);
  };
  return {
    adminUrl: await url(SUPERUSER, 'postgres'),
    serviceUrl: await url(serviceRole(service), service),
    captureUrl: await url(CAPTURE_ROLE, service),
  };
}

function serviceRole(service: ShopDatabase): string {
  return `${service}_service`;
}

/** Makes a service's database and its role, which owns it; nobody else may connect. Idempotent. */
export async function createServiceDatabase(
  database: ServiceDatabase,
  service: ShopDatabase,
): Promise<void> {
  const role = pg.escapeIdentifier(serviceRole(service));
  const name = pg.escapeIdentifier(service);
  const password = pg.escapeLiteral(new URL(database.serviceUrl.reveal()).password);
  const client = new pg.Client({ connectionString: database.adminUrl.reveal() });
  await client.connect();
  try {
    const has = async (query: string, value: string) =>
      (await client.query(query, [value])).rowCount === 1;
    if (!(await has('SELECT FROM pg_roles WHERE rolname = $1', serviceRole(service)))) {
      await client.query(`CREATE ROLE ${role} LOGIN PASSWORD ${password}`);
    }
    if (!(await has('SELECT FROM pg_database WHERE datname = $1', service))) {
      await client.query(`CREATE DATABASE ${name} OWNER ${role}`);
    }
    await client.query(`REVOKE CONNECT ON DATABASE ${name} FROM PUBLIC`);
  } finally {
    await client.end();
  }
}

/** The superuser's URL of a service's own database, where its tables are. */
export function adminUrlOf(database: ServiceDatabase, service: ShopDatabase): Secret {
  const url = new URL(database.adminUrl.reveal());
  url.pathname = `/${service}`;
  return new Secret(url.toString());
}

async function answers(url: Secret): Promise<boolean> {
  const client = new pg.Client({ connectionString: url.reveal(), connectionTimeoutMillis: 2_000 });
  // A server that is shutting down ends connections after they were made.
  client.on('error', () => undefined);
  try {
    await client.connect();
    await client.query('SELECT 1');
    return true;
  } finally {
    await client.end().catch(() => undefined);
  }
}
