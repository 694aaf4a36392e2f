import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createClient } from '@clickhouse/client';
import { expect, test } from 'vitest';
import { startEmbeddedWarehouse, type EmbeddedWarehouse } from '../testing/embedded-server.ts';

async function ask(warehouse: EmbeddedWarehouse, query: string): Promise<string> {
  const response = await fetch(warehouse.url, { method: 'POST', body: query });
  const body = await response.text();
  if (!response.ok) throw new Error(body);
  return body.trimEnd();
}

const ROWS = 50;

test('after kill -9 in the middle of inserts every acknowledged row is there, once', async () => {
  await using warehouse = await startEmbeddedWarehouse();
  for (const table of ['a', 'b', 'c']) {
    await ask(
      warehouse,
      `CREATE TABLE ${table} (batch UInt32, n UInt32) ENGINE = MergeTree ORDER BY (batch, n)`,
    );
  }
  const acknowledged = new Map<string, Set<number>>();
  for (let life = 0; life < 3; life += 1) {
    const client = createClient({ url: warehouse.url });
    let killed = false;
    const writers = ['a', 'b', 'c'].map(async (table) => {
      const batches = acknowledged.get(table) ?? new Set();
      acknowledged.set(table, batches);
      for (let n = 0; !killed; n += 1) {
        const batch = life * 1_000_000 + n;
        try {
          await client.insert({
            table,
            values: Array.from({ length: ROWS }, (_, n) => ({ batch, n })),
            format: 'JSONEachRow',
          });
          batches.add(batch);
        } catch {
          killed = true;
        }
      }
    });
    const enough = () => [...acknowledged.values()].every(({ size }) => size >= (life + 1) * 30);
    await expect.poll(enough, { timeout: 20_000 }).toBe(true);
    await warehouse.kill();
    await Promise.all(writers);
    await client.close();
    await warehouse.start();
  }
  for (const [table, batches] of acknowledged) {
    const rows = await ask(
      warehouse,
      `SELECT batch, count(), uniqExact(n) FROM ${table} GROUP BY batch FORMAT TSV`,
    );
    const stored = new Map(
      rows.split('\n').map((line) => {
        const [batch, ...counts] = line.split('\t').map(Number);
        return [batch, counts];
      }),
    );
    for (const batch of batches) expect([batch, stored.get(batch)]).toEqual([batch, [ROWS, ROWS]]);
    // What was under way when it died is there as a whole or not at all.
    for (const counts of stored.values()) expect(counts).toEqual([ROWS, ROWS]);
  }
});

test('data outlives a clean stop, and nothing but data does', async () => {
  await using warehouse = await startEmbeddedWarehouse();
  await ask(warehouse, 'CREATE DATABASE kept');
  await ask(warehouse, 'CREATE TABLE kept.t (a Int8) ENGINE = MergeTree ORDER BY a');
  await ask(warehouse, 'INSERT INTO kept.t VALUES (1), (2)');
  await ask(warehouse, 'CREATE VIEW kept.v AS SELECT sum(a) AS s FROM kept.t');
  expect(await warehouse.stop()).toBe(0);
  expect((await readdir(warehouse.dataDir)).sort()).toEqual(['config', 'engine']);
  await warehouse.start();
  expect(await ask(warehouse, 'SELECT s FROM kept.v')).toBe('3');
});

test('a stop lets the query under way end', async () => {
  await using warehouse = await startEmbeddedWarehouse();
  const slow = ask(warehouse, 'SELECT sleep(2) AS slow');
  await expect
    .poll(() => ask(warehouse, "SELECT count() FROM system.processes WHERE query LIKE '%AS slow%'"))
    .toBe('2');
  expect(await warehouse.stop()).toBe(0);
  expect(await slow).toBe('0');
});

test('a query that takes for ever keeps no stop waiting for ever', async () => {
  await using warehouse = await startEmbeddedWarehouse();
  const stop = new AbortController();
  const endless = fetch(warehouse.url, {
    method: 'POST',
    body: 'SELECT max(cityHash64(number)) AS endless FROM numbers(1000000000000)',
    signal: stop.signal,
  }).catch(() => 'broken off');
  await expect
    .poll(() =>
      ask(warehouse, "SELECT count() FROM system.processes WHERE query LIKE '%AS endless%'"),
    )
    .toBe('2');
  await warehouse.stop();
  expect(await endless).toBe('broken off');
  await warehouse.start();
  expect(await ask(warehouse, 'SELECT 1')).toBe('1');
});

test('parts are merged in the background', async () => {
  await using warehouse = await startEmbeddedWarehouse();
  await ask(warehouse, 'CREATE TABLE t (a UInt32) ENGINE = MergeTree ORDER BY a');
  for (let i = 0; i < 60; i += 1) await ask(warehouse, `INSERT INTO t VALUES (${i})`);
  await expect
    .poll(
      () =>
        ask(
          warehouse,
          "SELECT count() < 20, sum(rows) FROM system.parts WHERE table = 't' AND active",
        ),
      { timeout: 30_000 },
    )
    .toBe('1\t60');
});

test('a process with too few threads starts itself again, and both end together', async () => {
  await using warehouse = await startEmbeddedWarehouse({ env: { UV_THREADPOOL_SIZE: '4' } });
  expect(await ask(warehouse, 'SELECT 1')).toBe('1');
  await warehouse.kill();
  await expect.poll(() => answers(warehouse.url)).toBe(false);
  await warehouse.start();
  expect(await warehouse.stop()).toBe(0);
  expect(await answers(warehouse.url)).toBe(false);
});

test('a second process on the same data, or on a taken port, says so and leaves', async () => {
  await using warehouse = await startEmbeddedWarehouse();
  const start = async (port: number, dataDir: string) => {
    const child = spawn(process.execPath, ['local/run.mjs', 'warehouse/embedded/main.ts'], {
      env: {
        ...process.env,
        UV_THREADPOOL_SIZE: '40',
        CLICKHOUSE_DATA_DIR: dataDir,
        CLICKHOUSE_HTTP_PORT: String(port),
      },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let log = '';
    child.stdout.on('data', (chunk: Buffer) => (log += chunk.toString('utf8')));
    const [code] = (await once(child, 'exit')) as [number];
    return { code, log };
  };
  const second = await start(warehouse.port + 1, warehouse.dataDir);
  expect(second.code).toBe(1);
  expect(second.log).toContain('in use');
  const taken = await start(warehouse.port, join(warehouse.dataDir, 'other'));
  expect(taken.code).toBe(1);
  expect(taken.log).toContain('PORT_TAKEN');
  expect(await ask(warehouse, 'SELECT 1')).toBe('1');
});

async function answers(url: string): Promise<boolean> {
  try {
    return (await fetch(`${url}/ping`)).ok;
  } catch {
    return false;
  }
}
