import { readFile } from 'node:fs/promises';
import { get as httpGet, type IncomingMessage } from 'node:http';
import { createClient, type ClickHouseClient } from '@clickhouse/client';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startEmbeddedWarehouse, type EmbeddedWarehouse } from '../testing/embedded-server.ts';
import { LANES } from './limits.ts';

let warehouse: EmbeddedWarehouse;
let client: ClickHouseClient;

beforeAll(async () => {
  warehouse = await startEmbeddedWarehouse();
  client = createClient({ url: warehouse.url, max_open_connections: 50 });
  await client.command({ query: 'CREATE TABLE t (id UInt64) ENGINE = MergeTree ORDER BY id' });
});

afterAll(async () => {
  await client.close();
  await warehouse[Symbol.asyncDispose]();
});

async function ask(query: string, parameters: Record<string, string> = {}): Promise<string> {
  const url = `${warehouse.url}/?${new URLSearchParams(parameters).toString()}`;
  const response = await fetch(url, { method: 'POST', body: query });
  return (await response.text()).trimEnd();
}

/** Resident memory of the server, in MiB. */
async function memory(): Promise<number> {
  const status = await readFile(`/proc/${warehouse.pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) / 1024;
}

/** Heavy queries that are running now; asked in a session, which waits for no other's turn. */
async function running(): Promise<number> {
  const query =
    "SELECT count() FROM system.processes WHERE query LIKE '%heavy%' AND query NOT LIKE '%processes%'";
  return Number(await ask(query, { session_id: 'watcher' }));
}

const HEAVY = `SELECT 'heavy', max(cityHash64(number, number + 1, toString(number))) FROM numbers(100000000000)`;

test('heavy queries of everybody hold up no insert, no DDL and no ping', async () => {
  const finished: string[] = [];
  const stop = new AbortController();
  // As many as may run, and as many again that wait for their turn.
  const asWriter = Array.from({ length: 2 * LANES.read }, () => ({}));
  const asReader = Array.from({ length: 2 * LANES.get }, () => ({ method: 'GET' }));
  const asAnalyst = Array.from({ length: 2 * LANES.analyst }, () => ({
    headers: { 'X-ClickHouse-User': 'analyst' },
  }));
  const heavy = [...asWriter, ...asReader, ...asAnalyst].map(async (options) => {
    const parameters = new URLSearchParams({ query: HEAVY, max_threads: '1' });
    try {
      const response = await fetch(`${warehouse.url}/?${parameters.toString()}`, {
        method: 'POST',
        signal: stop.signal,
        ...options,
      });
      await response.text();
    } catch (error) {
      if (!stop.signal.aborted) throw error;
    }
    finished.push('heavy');
  });
  const total = LANES.read + LANES.get + LANES.analyst;
  await expect.poll(running, { timeout: 20_000 }).toBe(total);

  for (let batch = 0; batch < 20; batch += 1) {
    const values = Array.from({ length: 100 }, (_, row) => ({ id: batch * 100 + row }));
    await client.insert({ table: 't', values, format: 'JSONEachRow' });
    finished.push('insert');
  }
  await client.command({ query: 'CREATE TABLE other (a Int8) ENGINE = Memory' });
  expect(await client.ping()).toEqual({ success: true });
  finished.push('all');
  expect(finished).toEqual([...Array.from({ length: 20 }, () => 'insert'), 'all']);

  stop.abort();
  await Promise.all(heavy);
  expect(await ask('SELECT count() FROM t')).toBe('2000');
});

test('a client that goes away ends its query', async () => {
  await expect.poll(running, { timeout: 20_000 }).toBe(0);
  const stop = new AbortController();
  const query = fetch(warehouse.url, { method: 'POST', body: HEAVY, signal: stop.signal });
  await expect.poll(running).toBe(1);
  stop.abort();
  await expect(query).rejects.toThrow(/abort/i);
  await expect.poll(running, { timeout: 20_000 }).toBe(0);
});

test('an expensive subquery, which the engine computes while it plans, stops nobody either', async () => {
  const finished: string[] = [];
  const stop = new AbortController();
  const query = fetch(warehouse.url, {
    method: 'POST',
    body: `SELECT (${HEAVY.replace("'heavy', ", '')}) AS heavy`,
    signal: stop.signal,
  }).then(
    () => finished.push('heavy'),
    () => finished.push('heavy'),
  );
  await expect.poll(running).toBe(1);
  await client.insert({ table: 't', values: [{ id: 1 }], format: 'JSONEachRow' });
  finished.push('insert');
  expect(finished).toEqual(['insert']);
  stop.abort();
  await query;
  await expect.poll(running, { timeout: 20_000 }).toBe(0);
});

test('a result of four million rows streams in little memory, and waits for a slow reader', async () => {
  const before = await memory();
  let peak = before;
  let rows = 0;
  const result = await client.query({
    query: "SELECT number, repeat('x', 200) AS pad FROM numbers(4000000)",
    format: 'JSONEachRow',
  });
  for await (const chunk of result.stream()) {
    const known = rows;
    rows += chunk.length;
    if (Math.floor(rows / 200_000) > Math.floor(known / 200_000)) {
      peak = Math.max(peak, await memory());
    }
  }
  expect(rows).toBe(4_000_000);
  // The result has 910 MB; engine and garbage together come to some 200, whatever its size.
  expect(peak - before).toBeLessThan(400);

  // A reader that takes the beginning and then nothing: the query must not run ahead of it.
  const endless = 'SELECT number, 1 AS heavy FROM system.numbers';
  const url = `${warehouse.url}/?${new URLSearchParams({ query: endless }).toString()}`;
  const response = await new Promise<IncomingMessage>((resolve) => {
    httpGet(url, resolve);
  });
  await new Promise((resolve) => response.once('readable', resolve));
  const stalled = await memory();
  await ask('SELECT sleep(2)');
  expect((await memory()) - stalled).toBeLessThan(100);
  response.destroy();
  await expect.poll(running, { timeout: 20_000 }).toBe(0);
});

test('settings and parameters stay apart under load', async () => {
  const answers = await Promise.all(
    Array.from({ length: 300 }, async (_, n) => {
      const parameters = new URLSearchParams({ param_n: String(n) });
      if (n % 2 === 0) parameters.set('max_block_size', String(n + 1));
      if (n % 3 === 0) parameters.set('database', 'system');
      const response = await fetch(`${warehouse.url}/?${parameters.toString()}`, {
        method: 'POST',
        body: "SELECT {n:UInt32}, getSetting('max_block_size'), currentDatabase()",
      });
      return (await response.text()).trimEnd();
    }),
  );
  const usual = await ask("SELECT getSetting('max_block_size')");
  expect(answers).toEqual(
    answers.map((_, n) =>
      [n, n % 2 === 0 ? n + 1 : usual, n % 3 === 0 ? 'system' : 'default'].join('\t'),
    ),
  );
});
