import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { createClient, type ClickHouseClient } from '@clickhouse/client';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { createLogger } from '#runtime/log.ts';
import { migrate } from './migrate.ts';
import { startEmbeddedWarehouse, type EmbeddedWarehouse } from './testing/embedded-server.ts';

const log = createLogger('test', 'silent');
const options = { log, signal: new AbortController().signal };

let warehouse: EmbeddedWarehouse;
let client: ClickHouseClient;
let folder: string;

beforeAll(async () => {
  warehouse = await startEmbeddedWarehouse();
  client = createClient({ url: warehouse.url });
});

afterAll(async () => {
  await client.close();
  await warehouse[Symbol.asyncDispose]();
});

beforeEach(async () => {
  for (const database of ['ops', 'lab', 'changes', 'current', 'history']) {
    await client.command({ query: `DROP DATABASE IF EXISTS ${database} SYNC` });
  }
  folder = await mkdtemp(join(tmpdir(), 'tributary-migrations-'));
  return () => rm(folder, { recursive: true, force: true });
});

async function rows(query: string): Promise<unknown[]> {
  return (await client.query({ query, format: 'JSONEachRow' })).json();
}

function inFolder() {
  return { ...options, folder: pathToFileURL(`${folder}/`) };
}

test('ours make the databases and the tables of the pipeline, and everything is described', async () => {
  expect(await migrate(client, options)).toEqual([
    '001_ops',
    '002_dead_letters',
    '003_resyncs',
    '004_source_columns',
    '005_source_tables',
    '006_drift',
    '007_facts',
    '008_first_loads',
    '009_verifications',
    '010_drift_rules',
    '011_erasures',
    '012_topic_partitions',
    '014_copy_pauses',
  ]);
  expect(await migrate(client, options)).toEqual([]);
  expect(
    await rows(
      "SELECT name FROM system.databases WHERE name IN ('changes', 'current', 'history', 'ops') ORDER BY name",
    ),
  ).toEqual([{ name: 'changes' }, { name: 'current' }, { name: 'history' }, { name: 'ops' }]);
  expect(
    await rows("SELECT table, name FROM system.columns WHERE database = 'ops' AND comment = ''"),
  ).toEqual([]);
  expect(
    await rows("SELECT name FROM system.tables WHERE database = 'ops' AND comment = ''"),
  ).toEqual([]);
});

test('processes that migrate at once apply each file once between them', async () => {
  // Without IF NOT EXISTS and with rows: a second run of a file would fail or show.
  await writeFile(
    join(folder, '001_a.sql'),
    'CREATE DATABASE lab; CREATE TABLE lab.t (n UInt32) ENGINE = MergeTree ORDER BY n;',
  );
  await writeFile(
    join(folder, '002_b.sql'),
    'INSERT INTO lab.t SELECT sleep(0.5) + 1; ALTER TABLE lab.t ADD COLUMN m UInt32;',
  );
  const program = `
    import { createClient } from '@clickhouse/client';
    import { createLogger } from '#runtime/log.ts';
    import { migrate } from './warehouse/migrate.ts';
    const client = createClient({ url: '${warehouse.url}' });
    const applied = await migrate(client, {
      log: createLogger('x', 'silent'),
      signal: new AbortController().signal,
      folder: new URL('${inFolder().folder.href}'),
    });
    process.stdout.write(JSON.stringify(applied));
    await client.close();
  `;
  const applied = await Promise.all(
    Array.from({ length: 3 }, async () => {
      const child = spawn(
        process.execPath,
        ['--import', 'tsx', '--input-type=module', '--eval', program],
        {
          stdio: ['ignore', 'pipe', 'inherit'],
        },
      );
      let output = '';
      child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString('utf8')));
      const [code] = (await once(child, 'close')) as [number];
      expect(code).toBe(0);
      return JSON.parse(output) as string[];
    }),
  );
  expect(applied.flat().sort()).toEqual(['001_a', '002_b']);
  expect(await rows('SELECT n, m FROM lab.t')).toEqual([{ n: 1, m: 0 }]);
  expect(await rows('EXISTS ops.migration_lock')).toEqual([{ result: 0 }]);
});

test('a file that was edited after it had been applied is refused', async () => {
  await writeFile(join(folder, '001_a.sql'), 'CREATE DATABASE lab;');
  await migrate(client, inFolder());
  await writeFile(join(folder, '001_a.sql'), 'CREATE DATABASE lab; -- changed');
  await expect(migrate(client, inFolder())).rejects.toMatchObject({
    code: 'MIGRATION_FAILED',
    message: expect.stringContaining('001_a.sql') as unknown,
  });
});

test('a file that failed half-way is applied again once it is mended', async () => {
  await writeFile(
    join(folder, '001_a.sql'),
    'CREATE DATABASE IF NOT EXISTS lab; CREATE TABLE lab.t (a Nosuch) ENGINE = Memory;',
  );
  await expect(migrate(client, inFolder())).rejects.toMatchObject({ code: '50' });
  await writeFile(
    join(folder, '001_a.sql'),
    'CREATE DATABASE IF NOT EXISTS lab; CREATE TABLE lab.t (a Int8) ENGINE = Memory;',
  );
  expect(await migrate(client, inFolder())).toEqual(['001_a']);
});

test('the lock of a living migration is waited for, that of a dead one is taken over', async () => {
  await writeFile(join(folder, '001_a.sql'), 'CREATE DATABASE lab;');
  await client.command({ query: 'CREATE DATABASE ops' });
  await client.command({ query: 'CREATE TABLE ops.migration_lock (locked UInt8) ENGINE = Memory' });
  const stop = new AbortController();
  const waiting = migrate(client, { ...inFolder(), signal: stop.signal });
  await expect.poll(() => rows('EXISTS ops.migrations')).toEqual([{ result: 1 }]);
  stop.abort();
  await expect(waiting).rejects.toThrow(/abort/i);
  expect(await migrate(client, { ...inFolder(), staleLockSeconds: 0 })).toEqual(['001_a']);
});

test('files must be numbered, each by a number of its own', async () => {
  await writeFile(join(folder, '001_a.sql'), 'SELECT 1');
  for (const name of ['001_b.sql', '2_c.sql', 'd.sql']) {
    await writeFile(join(folder, name), 'SELECT 1');
    await expect(migrate(client, inFolder())).rejects.toThrow(name);
    await rm(join(folder, name));
  }
});
