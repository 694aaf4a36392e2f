import { once } from 'node:events';
import { request } from 'node:http';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { createClient, type ClickHouseClient } from '@clickhouse/client';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { startEmbeddedWarehouse, type EmbeddedWarehouse } from '../testing/embedded-server.ts';

let warehouse: EmbeddedWarehouse;
let client: ClickHouseClient;

beforeAll(async () => {
  warehouse = await startEmbeddedWarehouse();
  client = createClient({ url: warehouse.url });
});

afterAll(async () => {
  await client.close();
  await warehouse[Symbol.asyncDispose]();
});

beforeEach(async () => {
  await ask('DROP TABLE IF EXISTS t');
  await ask(`CREATE TABLE t (id UInt64, name String, tags Array(String), price Nullable(Decimal(10, 2)),
    at DateTime64(6, 'UTC'), origin String DEFAULT 'none') ENGINE = MergeTree ORDER BY id
    SETTINGS non_replicated_deduplication_window = 100`);
});

async function ask(query: string): Promise<string> {
  const response = await fetch(warehouse.url, { method: 'POST', body: query });
  const body = await response.text();
  if (!response.ok) throw new Error(body);
  return body.trimEnd();
}

async function insert(
  query: string,
  body: string | Buffer | ArrayBuffer,
  headers = {},
): Promise<Response> {
  const parameters = new URLSearchParams({ query });
  return fetch(`${warehouse.url}/?${parameters.toString()}`, { method: 'POST', body, headers });
}

const SAMPLE = `SELECT number AS id, concat('n', toString(number), '\\t\\n''"\\\\,;') AS name,
  ['a', toString(number)] AS tags, if(number % 2 = 0, NULL, number / 4)::Nullable(Decimal(10, 2)) AS price,
  toDateTime64('2026-01-02 03:04:05.678901', 6, 'UTC') + number AS at FROM numbers(1000)`;
const DIGEST = 'SELECT count(), sum(cityHash64(id, name, tags, price, at)), any(origin) FROM';

test('rows of every input format arrive as they were, and missing columns get their default', async () => {
  const expected = await ask(
    `SELECT count(), sum(cityHash64(id, name, tags, price, at)), 'none' FROM (${SAMPLE})`,
  );
  const formats = ['JSONEachRow', 'JSONCompactEachRow', 'JSONStringsEachRow', 'JSON', 'JSONColumns']
    .concat(['JSONCompactEachRowWithNamesAndTypes', 'TabSeparated', 'TSVWithNamesAndTypes', 'CSV'])
    .concat(['CSVWithNames', 'Values', 'RowBinary', 'RowBinaryWithNamesAndTypes', 'Native'])
    .concat([
      'Parquet',
      'Arrow',
      'ArrowStream',
      'ORC',
      'MsgPack',
      'BSONEachRow',
      'CustomSeparated',
    ]);
  for (const format of formats) {
    const data = await fetch(warehouse.url, { method: 'POST', body: `${SAMPLE} FORMAT ${format}` });
    await ask('TRUNCATE TABLE t');
    const response = await insert(
      `INSERT INTO t (id, name, tags, price, at) FORMAT ${format}`,
      await data.arrayBuffer(),
    );
    expect([format, response.status, response.ok ? '' : await response.text()]).toEqual([
      format,
      200,
      '',
    ]);
    expect([format, await ask(`${DIGEST} t`)]).toEqual([format, expected]);
    expect(JSON.parse(response.headers.get('x-clickhouse-summary') ?? '')).toMatchObject({
      written_rows: '1000',
    });
  }
});

test('an insert is one part, however it is cut into pieces on the way', async () => {
  const rows = Array.from({ length: 200_000 }, (_, id) =>
    JSON.stringify([id, 'x'.repeat(60), [], null, '2026-01-02 03:04:05', 'o']),
  ).join('\n');
  expect(rows.length).toBeGreaterThan(16_000_000);
  const pieces = rows.match(/[^]{1,100000}/g) ?? [];
  const { stream } = await client.exec({
    query: 'INSERT INTO t FORMAT JSONCompactEachRow',
    values: Readable.from(
      pieces.map((piece) => Buffer.from(piece)),
      { objectMode: false },
    ),
  });
  stream.resume();
  expect(
    await ask(
      "SELECT count(), sum(rows), max(level) FROM system.parts WHERE table = 't' AND active",
    ),
  ).toBe('1\t200000\t0');
});

test('a repeated deduplication token drops the repeated insert alone', async () => {
  const rows = [{ id: 1, name: 'a', tags: [], price: null, at: '2026-01-02 03:04:05' }];
  for (const token of ['one', 'one', 'two']) {
    await client.insert({
      table: 't',
      columns: ['id', 'name', 'tags', 'price', 'at'],
      values: rows,
      format: 'JSONEachRow',
      clickhouse_settings: { insert_deduplication_token: token },
    });
  }
  expect(await ask('SELECT count() FROM t')).toBe('2');
});

test('INSERT with VALUES, with SELECT and with settings of its own run as written', async () => {
  await ask(
    "INSERT INTO t (id, name, at) VALUES (1, lower('ABC'), toDateTime64('2026-01-02 03:04:05', 6))",
  );
  await ask('INSERT INTO t (id, at) SELECT number + 10, now64() FROM numbers(3)');
  await ask(
    'INSERT INTO t (id) SETTINGS input_format_skip_unknown_fields = 1 FORMAT JSONEachRow {"id": 20, "other": 1}',
  );
  await ask('INSERT INTO TABLE default.`t` (`id`) FORMAT TSV\n21\n22\n');
  expect(await ask('SELECT id, name FROM t ORDER BY id FORMAT CSV')).toBe(
    '1,"abc"\n10,""\n11,""\n12,""\n20,""\n21,""\n22,""',
  );
});

test('VALUES may refer to parameters of the request', async () => {
  await client.command({
    query: 'INSERT INTO t (id, name) VALUES ({id:UInt64}, {name:String})',
    query_params: { id: 5, name: "it's; \n\n DROP TABLE t" },
  });
  expect(JSON.parse(await ask('SELECT id, name FROM t FORMAT JSONCompactEachRow'))).toEqual([
    5,
    "it's; \n\n DROP TABLE t",
  ]);
});

test('packed data of an insert is unpacked', async () => {
  const body = gzipSync('1\ta\n2\tb\n');
  const response = await insert('INSERT INTO t (id, name) FORMAT TSV', body, {
    'Content-Encoding': 'gzip',
  });
  expect(response.status).toBe(200);
  expect(await ask('SELECT count() FROM t')).toBe('2');
});

test('an insert of nothing writes nothing, and a table that is not there is still an error', async () => {
  expect((await insert('INSERT INTO t FORMAT JSONEachRow', '')).status).toBe(200);
  expect(await ask('SELECT count() FROM t')).toBe('0');
  expect((await insert('INSERT INTO nosuch FORMAT JSONEachRow', '')).status).toBe(404);
});

test('a bad row refuses the whole insert and says which row it was, without file names of ours', async () => {
  const response = await insert('INSERT INTO t (id, name) FORMAT TSV', '1\ta\nx\tb\n');
  expect(response.status).toBe(400);
  const message = await response.text();
  expect(message).toContain('(at row 2)');
  expect(message).not.toContain(warehouse.dataDir);
  expect(message).not.toContain('/dev/shm');
  expect(await ask('SELECT count() FROM t')).toBe('0');
});

test('an insert whose sender breaks off writes nothing', async () => {
  const parameters = new URLSearchParams({ query: 'INSERT INTO t (id) FORMAT TSV' });
  const sending = request(`${warehouse.url}/?${parameters.toString()}`, {
    method: 'POST',
    headers: { 'Transfer-Encoding': 'chunked' },
  });
  sending.on('error', () => undefined);
  for (let i = 0; i < 30; i += 1) {
    if (!sending.write('1\n'.repeat(50_000))) await once(sending, 'drain');
  }
  sending.destroy();
  await expect.poll(() => warehouse.logs()).toContain('client went away');
  expect(await ask('SELECT count() FROM t')).toBe('0');
});
