import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createClient } from '@clickhouse/client';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startEmbeddedWarehouse, type EmbeddedWarehouse } from '../testing/embedded-server.ts';

const PASSWORDS = { default: "w:ri'ter", analyst: 'reader' };

let warehouse: EmbeddedWarehouse;
let secretFile: string;

beforeAll(async () => {
  warehouse = await startEmbeddedWarehouse({
    env: {
      CLICKHOUSE_WRITER_PASSWORD: PASSWORDS.default,
      CLICKHOUSE_ANALYST_PASSWORD: PASSWORDS.analyst,
    },
  });
  secretFile = join(warehouse.dataDir, 'secret.csv');
  await writeFile(secretFile, 'top,secret\n');
  for (const query of [
    'CREATE DATABASE shop',
    'CREATE TABLE shop.orders (id UInt64, total Decimal(10, 2), file String) ENGINE = MergeTree ORDER BY id',
    "INSERT INTO shop.orders VALUES (1, 10.50, 'a'), (2, 20, 'b')",
    'CREATE VIEW shop.totals AS SELECT sum(total) AS total FROM shop.orders',
  ]) {
    await ask('default', query);
  }
});

afterAll(async () => {
  await warehouse[Symbol.asyncDispose]();
});

async function ask(
  user: keyof typeof PASSWORDS,
  query: string,
  parameters: Record<string, string> = {},
  method = 'POST',
): Promise<Response> {
  const inUrl = method === 'GET' ? { ...parameters, query } : parameters;
  return fetch(`${warehouse.url}/?${new URLSearchParams(inUrl).toString()}`, {
    method,
    headers: { 'X-ClickHouse-User': user, 'X-ClickHouse-Key': PASSWORDS[user] },
    ...(method === 'GET' ? {} : { body: query }),
  });
}

describe('logging in', () => {
  const basic = (user: string, password: string) => ({
    Authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`,
  });
  const key = (user: string, password: string) => ({
    'X-ClickHouse-User': user,
    'X-ClickHouse-Key': password,
  });

  test('each way works with the right password and with no other', async () => {
    for (const [user, password] of Object.entries(PASSWORDS)) {
      for (const [given, status] of [
        [password, 200],
        ['', 403],
        [`${password}x`, 403],
      ] as const) {
        for (const headers of [basic(user, given), key(user, given)]) {
          const response = await fetch(`${warehouse.url}/?query=SELECT+1`, { headers });
          expect(response.status, JSON.stringify(headers)).toBe(status);
        }
        const parameters = new URLSearchParams({ user, password: given, query: 'SELECT 1' });
        expect((await fetch(`${warehouse.url}/?${parameters.toString()}`)).status).toBe(status);
      }
    }
  });

  test('a wrong name is answered like a wrong password', async () => {
    for (const headers of [
      key('nobody', ''),
      key('analyst', 'x'),
      {},
      { Authorization: 'Bearer x' },
    ]) {
      const response = await fetch(`${warehouse.url}/?query=SELECT+1`, { headers });
      expect(response.status).toBe(403);
      expect(response.headers.get('x-clickhouse-exception-code')).toBe('516');
    }
    expect((await fetch(`${warehouse.url}/ping`)).status).toBe(200);
  });

  test('no password gets into the log', () => {
    expect(warehouse.logs()).not.toContain(PASSWORDS.default);
    expect(warehouse.logs()).not.toContain('reader');
  });
});

describe('what the analyst can do', () => {
  test('queries, joins, parameters, settings and formats work as for anybody', async () => {
    const client = createClient({
      url: warehouse.url,
      username: 'analyst',
      password: PASSWORDS.analyst,
      clickhouse_settings: { max_block_size: '1000', output_format_json_quote_decimals: 1 },
    });
    const result = await client.query({
      query: `WITH dear AS (SELECT * FROM shop.orders WHERE total > {least:Decimal(10, 2)})
        SELECT o.id, o.total, t.total AS sum, o.file FROM dear AS o CROSS JOIN shop.totals AS t`,
      query_params: { least: '15' },
      format: 'JSON',
    });
    expect((await result.json()).data).toEqual([{ id: 2, total: '20', sum: '30.5', file: 'b' }]);
    await client.close();
  });

  test('it may look around: databases, tables, columns, plans', async () => {
    for (const query of [
      'SHOW DATABASES',
      'SHOW TABLES FROM shop',
      'SHOW CREATE TABLE shop.orders',
      'DESCRIBE shop.orders',
      'EXISTS shop.orders',
      'EXPLAIN SELECT * FROM shop.orders',
      "SELECT name, type FROM system.columns WHERE database = 'shop'",
      'SELECT * FROM information_schema.tables',
      'SELECT * FROM numbers(3)',
      "SELECT * FROM values('a Int8', 1, 2)",
      'SELECT formatReadableSize(sum(bytes_on_disk)) FROM system.parts',
      'SELECT count() FROM shop.orders FORMAT PrettyCompact',
    ]) {
      for (const method of ['GET', 'POST']) {
        const response = await ask('analyst', query, {}, method);
        expect(response.status, `${query}: ${await response.text()}`).toBe(200);
      }
    }
  });

  test('inside a session its own settings and database stay', async () => {
    const session_id = 'mine';
    expect((await ask('analyst', 'SET max_block_size = 17', { session_id })).status).toBe(200);
    expect((await ask('analyst', 'USE shop', { session_id })).status).toBe(200);
    const state = await ask('analyst', "SELECT getSetting('max_block_size'), count() FROM orders", {
      session_id,
    });
    expect(await state.text()).toBe('17\t2\n');
    // The same name is another session for another user.
    const other = await ask('default', 'SELECT currentDatabase()', { session_id });
    expect(await other.text()).toBe('default\n');
  });
});

describe('what the analyst cannot do', () => {
  /** Expects a refusal, by whichever wall stands there. */
  async function expectRefused(
    query: string,
    parameters: Record<string, string> = {},
  ): Promise<void> {
    for (const method of ['GET', 'POST']) {
      const response = await ask('analyst', query, parameters, method);
      const answer = await response.text();
      expect([query, response.status >= 400, answer]).toEqual([
        query,
        true,
        expect.stringMatching(/^Code: (164|452|497|62|344|446|48)\./) as unknown,
      ]);
      expect(answer).not.toContain('top,secret');
    }
  }

  test('write, change or drop anything', async () => {
    for (const query of [
      'INSERT INTO shop.orders SELECT 3, 3, 3',
      "INSERT INTO shop.orders VALUES (3, 3, 'x')",
      'INSERT INTO shop.orders FORMAT TSV\n3\t3\tx\n',
      'WITH 3 AS x INSERT INTO shop.orders SELECT x, x, x',
      "INSERT INTO FUNCTION file('evil.csv') SELECT 1",
      "INSERT INTO FUNCTION null('a Int8') SELECT 1",
      'CREATE TABLE shop.evil (a Int8) ENGINE = Memory',
      'CREATE TEMPORARY TABLE evil (a Int8)',
      'CREATE DATABASE evil',
      'CREATE VIEW shop.evil AS SELECT 1',
      'CREATE FUNCTION evil AS x -> x',
      "CREATE USER evil IDENTIFIED BY ''",
      'CREATE NAMED COLLECTION evil AS a = 1',
      'DROP TABLE shop.orders',
      'TRUNCATE TABLE shop.orders',
      'DELETE FROM shop.orders WHERE 1',
      'UPDATE shop.orders SET total = 0 WHERE 1',
      'ALTER TABLE shop.orders DELETE WHERE 1',
      'ALTER TABLE shop.orders ADD COLUMN evil Int8',
      'OPTIMIZE TABLE shop.orders FINAL',
      'RENAME TABLE shop.orders TO shop.evil',
      'DETACH TABLE shop.orders',
      "BACKUP TABLE shop.orders TO File('evil')",
      'SYSTEM SHUTDOWN',
      'SYSTEM STOP MERGES',
      'KILL QUERY WHERE 1',
      'GRANT ALL ON *.* TO default',
      'BEGIN TRANSACTION',
    ]) {
      await expectRefused(query);
    }
    const left = await ask('default', 'SELECT count(), sum(total) FROM shop.orders');
    expect(await left.text()).toBe('2\t30.5\n');
  });

  test('become the writer', async () => {
    for (const query of [
      'SET ROLE writer',
      'SET ROLE ALL',
      'SET ROLE DEFAULT',
      '/* hidden */ set\nrole writer',
      'SELECT 1; SET ROLE writer',
      'SET DEFAULT ROLE writer TO default',
      'EXECUTE AS default SELECT 1',
      "SET profile = 'default'; SET ROLE writer",
    ]) {
      await expectRefused(query);
      await expectRefused(query, { session_id: 'climber' });
    }
    const roles = await ask('analyst', 'SELECT currentRoles()', { session_id: 'climber' });
    expect(await roles.text()).toBe("['analyst']\n");
    const all = await Promise.all(
      Array.from({ length: 6 }, async () => (await ask('analyst', 'SELECT currentRoles()')).text()),
    );
    expect(new Set(all)).toEqual(new Set(["['analyst']\n"]));
  });

  test('lift its bounds, by parameter, clause, statement or profile', async () => {
    const bounds: Record<string, string> = {
      readonly: '0',
      max_execution_time: '0',
      max_memory_usage: '0',
      max_result_rows: '0',
      max_result_bytes: '100000000000',
      max_threads: '64',
      dialect: 'kusto',
      allow_introspection_functions: '1',
      log_comment: 'other',
      format_schema: secretFile,
      format_template_resultset: secretFile,
    };
    for (const [name, value] of Object.entries(bounds)) {
      if (name !== 'log_comment') await expectRefused('SELECT 1', { [name]: value });
      await expectRefused(`SELECT 1 SETTINGS ${name} = '${value}'`);
      await expectRefused(`SELECT 1 SETTINGS ${name} = DEFAULT`);
      await expectRefused(`SELECT * FROM (SELECT 1 SETTINGS ${name} = DEFAULT)`);
      await expectRefused(`SET ${name} = '${value}'`, { session_id: 'lifter' });
      await expectRefused(`SET ${name} = DEFAULT`, { session_id: 'lifter' });
      // Whatever was tried, the next request has the bounds again.
      const now = await ask(
        'analyst',
        `SELECT value FROM system.settings WHERE name = 'max_result_rows'`,
      );
      expect(await now.text()).toBe('1000000\n');
    }
    for (const profile of ["SELECT 1 SETTINGS profile = 'default'", "SET profile = 'default'"]) {
      await (await ask('analyst', profile, { session_id: 'lifter' })).text();
      await expectRefused('SET max_result_rows = 0', { session_id: 'lifter' });
      await expectRefused('SELECT 1 SETTINGS max_memory_usage = 0', { session_id: 'lifter' });
    }
  });

  test('read files, call out, or run programs', async () => {
    const file = `'${secretFile}'`;
    for (const query of [
      `SELECT file(${file})`,
      `SELECT FILE(${file})`,
      `SELECT \`file\`(${file})`,
      `SELECT "f\\x69le"(${file})`,
      `SELECT * APPLY(file) FROM (SELECT ${file} AS path)`,
      `SELECT arrayMap(file, [${file}])`,
      `WITH file AS f SELECT arrayMap(f, [${file}])`,
      `EXPLAIN SELECT file(${file})`,
      `SELECT (SELECT file(${file}))`,
      `SELECT * FROM view(SELECT file(${file}))`,
      `SELECT * FROM file(${file})`,
      `SELECT * FROM file(${file}, 'LineAsString')`,
      `SELECT * FROM default.\`${secretFile}\``,
      `SELECT * FROM filesystem('/')`,
      `SELECT * FROM fileCluster('x', ${file})`,
      `SELECT * FROM executable('x', 'TSV', 'a String')`,
      `SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')`,
      `SELECT * FROM s3('http://127.0.0.1:1/b/k', 'CSV')`,
      `SELECT * FROM postgresql('127.0.0.1:1', 'a', 'b', 'c', 'd')`,
      `SELECT * FROM mysql('127.0.0.1:1', 'a', 'b', 'c', 'd')`,
      `SELECT * FROM mongodb('mongodb://127.0.0.1:1/x', 'y', 'a String')`,
      `SELECT * FROM sqlite('/tmp/x', 'y')`,
      `SELECT * FROM remote('127.0.0.1', shop.orders)`,
      `SELECT * FROM cluster('default', shop.orders)`,
      `SELECT * FROM arrowstream('1')`,
      `SELECT * FROM eval('SELECT file(${file.replaceAll("'", "\\'")})')`,
      `SELECT * FROM merge('system', 'processes')`,
      `SELECT * FROM loop('system', 'processes')`,
      `SELECT catboostEvaluate('x', 1)`,
      `SELECT 1 FORMAT Template SETTINGS format_template_resultset = ${file}`,
      `SELECT 1 INTO OUTFILE '${warehouse.dataDir}/evil'`,
      `SELECT 1 INTO OUTFILE '${warehouse.dataDir}/evil' FORMAT CSV`,
      `EXPLAIN SELECT 1 INTO OUTFILE '${warehouse.dataDir}/evil'`,
    ]) {
      await expectRefused(query);
    }
    await expectRefused('SELECT arrayMap({f:Identifier}, [{p:String}])', {
      param_f: 'file',
      param_p: secretFile,
    });
    expect(existsSync(`${warehouse.dataDir}/evil`)).toBe(false);
  });

  test("see other people's queries, users, grants or the machine", async () => {
    for (const query of [
      'SELECT * FROM system.processes',
      'SELECT * FROM `system`.`processes`',
      'SELECT * FROM SYSTEM.processes',
      'SELECT * FROM system.users',
      'SELECT * FROM system.grants',
      'SELECT * FROM system.named_collections',
      'SELECT * FROM system.server_settings',
      'SELECT * FROM system.stack_trace',
      'SELECT * FROM system.query_cache',
      "SELECT getServerSetting('path')",
      'SHOW PROCESSLIST',
      'SHOW USERS',
      'SHOW GRANTS',
      'SHOW CREATE USER default',
    ]) {
      await expectRefused(query);
    }
    await expectRefused('SELECT * FROM processes', { database: 'system' });
    await expectRefused('SELECT * FROM {d:Identifier}.processes', { param_d: 'system' });
    await expectRefused('SELECT * FROM {t:Identifier}', { param_t: 'system.processes' });
    await expectRefused('USE system', { session_id: 'looker' });
    const home = await ask('analyst', 'SELECT currentDatabase()', { session_id: 'looker' });
    expect(await home.text()).toBe('default\n');
  });

  test('use the machine up', async () => {
    const cases: [string, Record<string, string>, RegExp][] = [
      [
        'SELECT count() FROM numbers(1000000000000) WHERE cityHash64(number) = 1',
        { max_execution_time: '1' },
        /^Code: 159\./,
      ],
      ['SELECT number FROM numbers(2000000)', {}, /^Code: 396\./],
      ['SELECT groupArray(number) FROM numbers(1000000000)', {}, /^Code: 241\./],
    ];
    for (const [query, parameters, answer] of cases) {
      const response = await ask('analyst', query, { ...parameters, wait_end_of_query: '1' });
      expect(await response.text()).toMatch(answer);
    }
  });
});
