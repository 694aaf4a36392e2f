import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { afterEach, expect, test } from 'vitest';
import { loadLocalSettings } from '../../local/settings.ts';
import { RunRecords } from '../../local/run-records.ts';
import { startPostgres } from '../../pipeline/testing/postgres-server.ts';
import { connectLocalWarehouse } from '../local-environment.ts';
import { RunningCli, testPlace } from '../testing/run-cli.ts';

const started: RunningCli[] = [];

afterEach(async () => {
  for (const cli of started.splice(0)) {
    cli.child.kill('SIGTERM');
    await cli.exit();
  }
});

const SERVICE = `
  CREATE TYPE mood AS ENUM ('so so', 'glücklich');
  CREATE TYPE pair AS (a int, b text);
  CREATE TABLE everything (
    id uuid, part int, small smallint, big bigint, "Price" numeric(12,2), exact numeric, cash money,
    r real, d double precision, flag boolean NOT NULL, one bit(1), label text, code char(6), state mood,
    day date, at timestamptz, wall timestamp, wall3 timestamp(3), clock time, clock3 time(3), zoned timetz,
    span interval, bytes bytea, doc jsonb, raw json, address inet, net cidr, mac macaddr, page xml, o oid,
    range int4range, couple pair, search tsvector, words text[] NOT NULL, numbers int[] NOT NULL,
    days date[] NOT NULL, prices numeric(8,2)[] NOT NULL, maybe_words text[], maybe_numbers bigint[],
    maybe_ratios float8[], maybe_days date[], maybe_prices numeric(8,2)[], maybe_flags boolean[],
    maybe_refs uuid[], maybe_times timestamptz[],
    PRIMARY KEY (id, part));
  INSERT INTO everything SELECT md5(i::text)::uuid, i, i, 9007199254740993 + i, i * 1.1, 1.10 * i, i * 12345.67,
    i * 0.1, i * 1e20, i % 2 = 0, (i % 2)::text::bit, E'a\\tb ' || i, 'c', 'glücklich',
    date '1999-12-31' + i, timestamptz '2024-03-31 01:30:00.120+01' + i * interval '1 s', timestamp '2024-03-31 02:30:00.000001',
    timestamp '2024-03-31 02:30:00.5', time '12:00:00.12' + i * interval '1 s', time '23:59:59.5', timetz '10:00:00.25+02',
    interval '1 day 2 hours', '\\x00ff', '{"b": [1, 2.50], "a": "x"}', '{"b" : 1}', '10.0.0.1', '10.0.0.0/8',
    '08:00:2b:01:02:03', '<a/>', 4294967295, '[1,5)', '(1,"x y")'::pair, 'fat cat'::tsvector, '{a,NULL}'::text[], '{1,NULL,3}'::int[],
    '{2024-02-29}', '{1.50,2}', '{"null",NULL,"q\\"x"}', '{9007199254740993,NULL}', '{0.1,1e21}', '{2024-02-29}',
    '{1.50}', '{t,f,NULL}', ARRAY[md5('x')::uuid], '{2024-01-01 00:00:00+00}'
  FROM generate_series(1, 500) i;
  INSERT INTO everything (id, part, flag, words, numbers, days, prices)
  SELECT md5(i::text)::uuid, -i, true, '{}', '{}', '{}', '{}' FROM generate_series(1, 50) i;
  CREATE TABLE busy (id text PRIMARY KEY, n int NOT NULL);
  INSERT INTO busy SELECT 'row ' || i, 0 FROM generate_series(1, 1000) i`;

test('verify agrees while writes go on, names a cell that was changed in the warehouse, and says when it is called wrongly', async () => {
  await using server = await startPostgres({ walLevel: 'logical' });
  const { adminUrl } = await server.createDatabase('erp');
  const client = new pg.Client({ connectionString: adminUrl });
  // The server goes first when the test fails.
  client.on('error', () => undefined);
  await client.connect();
  await client.query(SERVICE);
  const here = await testPlace('verify', 7_000);
  const config = join(here.stateDir, 'other.yaml');
  writeFileSync(config, 'sources:\n  - name: erp\n    url: ${ERP_URL}\n    tables: [public.*]\n');
  const run = (...args: string[]) => {
    const cli = new RunningCli([...args, '--config', config], { ...here.env, ERP_URL: adminUrl });
    started.push(cli);
    return cli;
  };
  const up = run('up', '--no-services');
  await up.says('ready after');

  const stop = new AbortController();
  const writing = (async () => {
    for (let step = 0; !stop.signal.aborted; step += 1) {
      await client.query('UPDATE busy SET n = n + 1 WHERE id = $1', [`row ${(step % 1000) + 1}`]);
    }
  })();
  const busy = run('verify');
  const busyExit = await busy.exit();
  stop.abort();
  await writing;
  expect(busyExit, busy.output).toBe(0);
  expect(busy.output).toMatch(/erp\.everything +550 +550 +equal/);
  expect(busy.output).toMatch(/erp\.busy +1,000 +1,000 +equal/);

  const warehouse = connectLocalWarehouse(loadLocalSettings(here.env), 'test');
  await warehouse.command({
    query: `INSERT INTO current.erp__everything SELECT * REPLACE ('secret' AS label, _version + 1 AS _version)
            FROM (SELECT * FROM current.erp__everything FINAL WHERE part = 7)`,
  });
  const wrong = run('verify', 'erp.everything');
  expect(await wrong.exit(), wrong.output).toBe(1);
  expect(wrong.output).toMatch(
    /different +id="8f14e45f-ceea-167a-5a36-dedd4bea2543" part="7" +label\n/,
  );
  expect(wrong.output).not.toContain('secret');
  const shown = run('verify', 'erp', '--show-values', '--json');
  expect(await shown.exit(), shown.output).toBe(1);
  expect(shown.output).toContain('"secret"');

  const kept = await warehouse.query({
    query: `SELECT table_name, outcome, source_rows, different, uniqExact(run) AS runs
            FROM ops.verifications WHERE source = 'erp'
            GROUP BY table_name, outcome, source_rows, different ORDER BY table_name, outcome`,
    format: 'JSONCompactEachRow',
  });
  expect(await kept.json()).toEqual([
    ['busy', 'equal', 1000, 0, 2],
    ['everything', 'different', 550, 1, 2],
    ['everything', 'equal', 550, 0, 1],
  ]);
  await warehouse.close();

  const misspelt = run('verify', 'erp.evrything');
  expect(await misspelt.exit(), misspelt.output).toBe(2);
  expect(misspelt.output).toContain('erp.evrything');

  up.child.kill('SIGTERM');
  expect(await up.exit(), up.output).toBe(0);
  await client.end();
  expect(await new RunRecords(join(here.stateDir, 'run')).clearLeftovers()).toEqual([]);
});
