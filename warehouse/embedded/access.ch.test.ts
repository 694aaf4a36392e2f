import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Session } from 'chdb';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { readMigrationFiles, splitStatements } from '../migration-files.ts';
import { ANALYST_BOUNDS } from './limits.ts';

/*
 * The engine keeps no users and roles that SQL makes, but it does keep roles of its configuration:
 * the grants of warehouse/access are put there, and each role tries what it may and may not.
 */

const FOLDER = new URL('../access/', import.meta.url);
const ROLES = ['analyst', 'steward', 'pipeline'] as const;
type Role = (typeof ROLES)[number];

const files = (await readdir(FOLDER)).filter((file) => file.endsWith('.sql')).sort();
const statements = (
  await Promise.all(files.map(async (file) => readFile(new URL(file, FOLDER), 'utf8')))
).flatMap(splitStatements);

const SERVER = await readFile(new URL('server.xml', FOLDER), 'utf8');

let root = '';
const sessions: Session[] = [];
let admin: Session;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'tributary-access-'));
  await mkdir(join(root, 'engine'));
  await writeFile(join(root, 'users.xml'), usersXml());
  await writeFile(
    join(root, 'config.xml'),
    SERVER.replace(
      '</clickhouse>',
      `<users_config>${join(root, 'users.xml')}</users_config></clickhouse>`,
    ),
  );
  admin = open();
});
afterAll(async () => {
  for (const session of sessions) session.cleanup();
  await rm(root, { recursive: true, force: true });
});

function open(): Session {
  const session = new Session(join(root, 'engine'), {
    connectionArgs: [`--config-file=${join(root, 'config.xml')}`],
  });
  sessions.push(session);
  return session;
}

function usersXml(): string {
  const grants = (role: Role) =>
    statements.flatMap((statement) => {
      const match = new RegExp(`^((?:GRANT|REVOKE) .*?)\\s+(?:TO|FROM) ${role}$`, 's').exec(
        statement,
      );
      return match === null ? [] : [`<query>${match[1]}</query>`];
    });
  return `<clickhouse><profiles><default/></profiles><quotas><default/></quotas>
    <roles>
      <admin><grants><query>GRANT ALL ON *.* WITH GRANT OPTION</query></grants></admin>
      ${ROLES.map((role) => `<${role}><grants>${grants(role).join('')}</grants></${role}>`).join('\n')}
    </roles>
    <users><default><password></password><networks><ip>::/0</ip></networks>
      <profile>default</profile><quota>default</quota>
      <grants><query>GRANT admin</query>${ROLES.map((role) => `<query>GRANT ${role}</query>`).join('')}</grants>
    </default></users></clickhouse>`;
}

/** Runs a statement. @returns the number of ClickHouse's error, or none */
function run(session: Session, sql: string): string {
  try {
    session.query(sql, 'TSV');
    return 'done';
  } catch (error) {
    return /Code: (\d+)/.exec(String(error))?.[1] ?? String(error);
  }
}

const ACCESS_DENIED = '497';

test('the engine understands each statement', async () => {
  expect(statements.length).toBeGreaterThan(30);
  for (const statement of statements) {
    const quoted = statement.replaceAll('\\', '\\\\').replaceAll("'", "\\'");
    expect(run(admin, `SELECT formatQuerySingleLine('${quoted}')`), statement).toBe('done');
  }
});

test('each source of the catalog is there, and no other', async () => {
  const catalog = parse(
    await readFile(new URL('../../tributary.yaml', import.meta.url), 'utf8'),
  ) as {
    sources: { name: string }[];
  };
  for (const role of ['analyst', 'pipeline']) {
    const granted = statements.flatMap((statement) => {
      const match = new RegExp(`^GRANT .* ON (\\w+)\\.\\* TO ${role}$`).exec(statement);
      return match?.[1] === undefined ? [] : [match[1]];
    });
    const own = ['changes', 'current', 'facts', 'history', 'marts', 'ops'];
    expect(granted.filter((name) => !own.includes(name))).toEqual(
      catalog.sources.map(({ name }) => name),
    );
  }
});

test('readers are bounded as those of the embedded warehouse', () => {
  const profile = statements.find((text) =>
    text.includes('PROFILE IF NOT EXISTS tributary_reader'),
  );
  for (const [name, { value, max }] of Object.entries(ANALYST_BOUNDS)) {
    expect(profile).toContain(`${name} = ${value} MIN 1 MAX ${max}`);
  }
  expect(profile).toContain('readonly = 2 CONST');
});

describe('in the engine', () => {
  const as = {} as Record<Role, Session>;

  beforeAll(async () => {
    for (const role of ROLES) {
      as[role] = open();
      as[role].query(`SET ROLE ${role}`);
    }
    // What the pipeline does, with the rights of the pipeline.
    const make = [
      `CREATE DATABASE IF NOT EXISTS ops`,
      ...(await readMigrationFiles()).flatMap((file) => file.statements),
      `CREATE DATABASE IF NOT EXISTS orders`,
      `CREATE DATABASE IF NOT EXISTS marts`,
      `CREATE TABLE current.orders__orders (id Int64, email String) ENGINE = MergeTree ORDER BY id`,
      `CREATE TABLE changes.orders__orders (id Int64, email String) ENGINE = MergeTree ORDER BY id`,
      `INSERT INTO current.orders__orders VALUES (1, 'a'), (2, 'b')`,
      `ALTER TABLE current.orders__orders ADD COLUMN note String COMMENT 'Said'`,
      `SET default_normal_view_sql_security = 'DEFINER'`,
      `CREATE OR REPLACE VIEW orders.orders AS SELECT * FROM current.orders__orders`,
      `CREATE OR REPLACE VIEW marts.order_count AS SELECT count() AS orders FROM orders.orders`,
      `INSERT INTO ops.dead_letters (topic, code) VALUES ('t', 'c')`,
    ];
    for (const statement of make) expect(run(as.pipeline, statement), statement).toBe('done');
  });

  test.each([
    ['SELECT * FROM orders.orders', 'done', 'done'],
    ['SELECT orders FROM marts.order_count', 'done', 'done'],
    ['SELECT source FROM ops.freshness', 'done', 'done'],
    ['SELECT rule, state FROM ops.drift_rules', ACCESS_DENIED, 'done'],
    ['SELECT * FROM ops.drift_findings', ACCESS_DENIED, 'done'],
    ['SELECT outcome FROM ops.verifications', ACCESS_DENIED, 'done'],
    ['SELECT topic, code, reason FROM ops.dead_letters', ACCESS_DENIED, 'done'],
    ['SELECT value_bytes FROM ops.dead_letters', ACCESS_DENIED, ACCESS_DENIED],
    ['SELECT * FROM changes.orders__orders', ACCESS_DENIED, ACCESS_DENIED],
    ['SELECT * FROM current.orders__orders', ACCESS_DENIED, ACCESS_DENIED],
    ['INSERT INTO ops.markers (text) VALUES (1)', ACCESS_DENIED, ACCESS_DENIED],
    ['CREATE TABLE marts.mine (a Int8) ENGINE = Memory', ACCESS_DENIED, ACCESS_DENIED],
    ['DROP VIEW orders.orders', ACCESS_DENIED, ACCESS_DENIED],
    [`SELECT * FROM url('http://127.0.0.1:1/', 'CSV', 'a Int8')`, ACCESS_DENIED, ACCESS_DENIED],
    [`SELECT * FROM file('/etc/passwd', 'LineAsString')`, ACCESS_DENIED, ACCESS_DENIED],
    [`SELECT * FROM postgresql('127.0.0.1:1', 'a', 'b', 'c', 'd')`, ACCESS_DENIED, ACCESS_DENIED],
    ['SELECT name FROM system.users', ACCESS_DENIED, ACCESS_DENIED],
  ])('%s: an analyst %s, a steward %s', async (sql, analyst, steward) => {
    expect([run(as.analyst, sql), run(as.steward, sql)]).toEqual([analyst, steward]);
  });

  test('the pipeline cannot reach beyond the warehouse', async () => {
    for (const sql of [
      `SELECT * FROM file('/etc/passwd', 'LineAsString')`,
      'CREATE DATABASE elsewhere',
      'CREATE TABLE default.anything (a Int8) ENGINE = Memory',
      'CREATE USER somebody',
    ]) {
      expect(run(as.pipeline, sql), sql).toBe(ACCESS_DENIED);
    }
  });
});
