import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { once } from 'node:events';
import { join } from 'node:path';
import pg from 'pg';
import { afterEach, expect, test } from 'vitest';
import { isAlive, type ProcessIdentity } from '../../local/process-identity.ts';
import { RunRecords } from '../../local/run-records.ts';
import { startPostgres } from '../../pipeline/testing/postgres-server.ts';
import { RunningCli, testPlace, type TestPlace } from '../testing/run-cli.ts';

const started: RunningCli[] = [];
const places: TestPlace[] = [];

afterEach(async () => {
  for (const cli of started.splice(0)) {
    cli.child.kill('SIGTERM');
    await cli.exit();
  }
});

function run(place: TestPlace, args: readonly string[], env: NodeJS.ProcessEnv = {}): RunningCli {
  const cli = new RunningCli(args, { ...place.env, ...env });
  started.push(cli);
  return cli;
}

async function place(name: string, offset: number): Promise<TestPlace> {
  const made = await testPlace(`up/${name}`, offset);
  places.push(made);
  return made;
}

function recorded({ stateDir }: TestPlace, name: string): ProcessIdentity {
  return JSON.parse(readFileSync(join(stateDir, 'run', `${name}.json`), 'utf8')) as ProcessIdentity;
}

test('a run that was killed leaves nothing in the way: the next one ends its processes, keeps its data and agrees with every table', async () => {
  const here = await place('once', 2_000);
  const first = run(here, ['up', '--rate', '40']);
  await first.says('ready after');
  const parts = [
    'kafka',
    'connect',
    'warehouse',
    'transformer',
    'postgres-orders',
    'service-users',
  ];
  const leftovers = parts.map((name) => recorded(here, name));
  // The command itself, with the launcher above it, by kill -9: nobody stops the children.
  process.kill(recorded(here, 'owner').pid, 'SIGKILL');
  await first.exit();
  expect(await Promise.all(leftovers.map(isAlive))).toEqual(parts.map(() => true));

  const second = run(here, ['up', '--once']);
  expect(await second.exit(), second.output).toBe(0);
  expect(second.output).toContain('ended leftovers of an earlier run');
  expect(await Promise.all(leftovers.map(isAlive))).toEqual(parts.map(() => false));
  // Every table of every service was compared, none is empty that the traffic writes to.
  for (const table of [
    'users.users',
    'catalog.products',
    'inventory.stock_levels',
    'orders.orders',
    'payments.payments',
  ]) {
    const line = second.output.split('\n').find((candidate) => candidate.includes(` ${table} `));
    expect(line, second.output).toMatch(/ [1-9][\d,]* +[1-9][\d,]* +equal$/);
  }
  expect(second.output).toMatch(/the warehouse agrees with all \d+ tables/);
});

test("somebody's own database flows with three lines of YAML and no shop", async () => {
  await using server = await startPostgres({ walLevel: 'logical' });
  const { adminUrl } = await server.createDatabase('erp');
  const client = new pg.Client({ connectionString: adminUrl });
  await client.connect();
  await client.query(`
    CREATE TABLE "Customer Orders" (id bigint PRIMARY KEY, "Größe" numeric(12,2), note text, tags text[]);
    CREATE TABLE audit (id int PRIMARY KEY, at timestamptz NOT NULL);
    CREATE SCHEMA sales;
    CREATE TABLE sales.lines (order_id bigint, line int, qty smallint NOT NULL, PRIMARY KEY (order_id, line));
    CREATE TABLE sales.secret (id int PRIMARY KEY);
    INSERT INTO "Customer Orders" VALUES
      (9007199254740993, 0.10, NULL, NULL), (2, -5, '', '{}'), (3, 99, E'tab\\tnew\\nline', '{a,NULL}');
    INSERT INTO sales.lines SELECT i, j, i * j FROM generate_series(1, 40) i, generate_series(1, 3) j;
    INSERT INTO audit VALUES (1, '2024-02-29 12:00:00.123456+02');
    INSERT INTO sales.secret VALUES (1);
  `);
  await client.end();
  const here = await place('own-source', 3_000);
  const config = join(here.stateDir, 'other.yaml');
  writeFileSync(
    config,
    'sources:\n  - name: erp\n    url: ${ERP_URL}\n    tables: [public.*, sales.lin?s]\n',
  );
  const cli = run(here, ['up', '--config', config, '--no-services', '--once'], {
    ERP_URL: adminUrl,
  });
  expect(await cli.exit(), cli.output).toBe(0);
  expect(cli.output).toMatch(/erp\.Customer Orders +3 +3 +equal/);
  expect(cli.output).toMatch(/erp\.sales\.lines +120 +120 +equal/);
  expect(cli.output).toMatch(/erp\.audit +1 +1 +equal/);
  expect(cli.output).not.toContain('secret');
});

test('what is wrong is said in a line or two, with what to do, and exit code 2', async () => {
  const here = await place('wrong', 4_000);
  const taken = createServer().listen(12_123, '127.0.0.1');
  await once(taken, 'listening');
  const port = run(here, ['up', '--once']);
  expect(await port.exit()).toBe(2);
  expect(port.output).toContain('12123 (warehouse)');
  expect(port.output).toContain('TRIBUTARY_PORT_OFFSET');
  taken.close();

  const config = join(here.stateDir, 'bad.yaml');
  writeFileSync(
    config,
    'sources:\n  - name: a\n    url: ${NOT_SET_URL}\n    tabels: [public.*]\n  - name: a\n    url: mysql://x\n    tables: []\n',
  );
  const catalog = run(here, ['up', '--config', config, '--no-services', '--once']);
  expect(await catalog.exit()).toBe(2);
  // All problems at once, each with its line.
  for (const problem of ['NOT_SET_URL', 'tabels', '"a" is there already', 'postgres://']) {
    expect(catalog.output).toContain(problem);
  }
  for (const line of [':3', ':4', ':5', ':6']) expect(catalog.output).toContain(line);

  const misspelt = run(here, ['up', '--once'], { TRIBUTARY_PORT_OFSET: '1' });
  expect(await misspelt.exit()).toBe(2);
  expect(misspelt.output).toContain('TRIBUTARY_PORT_OFSET');

  const noJava = run(here, ['up', '--once'], { PATH: here.stateDir });
  expect(await noJava.exit()).toBe(2);
  expect(noJava.output.trim().split('\n')).toHaveLength(1);
  expect(noJava.output).toMatch(/Java is missing: install a JDK 17/);
});

test('nothing of the tests above is still running', async () => {
  const leftovers = await Promise.all(
    places.map(({ stateDir }) => new RunRecords(join(stateDir, 'run')).clearLeftovers()),
  );
  expect(leftovers.flat()).toEqual([]);
});
