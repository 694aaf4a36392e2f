import { request } from 'node:http';
import { deflateSync, gunzipSync, gzipSync } from 'node:zlib';
import { createClient, type ClickHouseClient } from '@clickhouse/client';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startEmbeddedWarehouse, type EmbeddedWarehouse } from '../testing/embedded-server.ts';
import { createPeople, httpClient, text, type HttpClient } from '../testing/http-client.ts';

let warehouse: EmbeddedWarehouse;
let client: ClickHouseClient;
let http: HttpClient;

beforeAll(async () => {
  warehouse = await startEmbeddedWarehouse();
  client = createClient({ url: warehouse.url });
  http = httpClient(warehouse);
  await createPeople(http);
});

afterAll(async () => {
  await client.close();
  await warehouse[Symbol.asyncDispose]();
});

describe('result formats', () => {
  test('FORMAT in the query wins over default_format, which wins over the header', async () => {
    const headers = { 'X-ClickHouse-Format': 'CSV' };
    expect(await text(fetch(http.at({ query: "SELECT 'a'" }), { headers }))).toBe('"a"');
    expect(
      await text(
        fetch(http.at({ query: "SELECT 'a'", default_format: 'JSONCompactEachRow' }), { headers }),
      ),
    ).toBe('["a"]');
    const explicit = await fetch(
      http.at({ query: "SELECT 'a' AS x FORMAT JSONEachRow", default_format: 'CSV' }),
      { headers },
    );
    expect(explicit.headers.get('x-clickhouse-format')).toBe('JSONEachRow');
    expect(await explicit.text()).toBe('{"x":"a"}\n');
    expect(
      await text(
        http.post(
          'SELECT number AS format FROM numbers(1) ORDER BY format FORMAT CSV SETTINGS max_threads = 1',
        ),
      ),
    ).toBe('0');
  });

  test('whole documents stay whole however many blocks they have', async () => {
    const result = await client.query({
      query: 'SELECT number AS n FROM numbers(200000) SETTINGS max_block_size = 1000',
      format: 'JSON',
    });
    const document = await result.json<{ n: number }>();
    expect(document.data.length).toBe(200_000);
    expect(document.rows).toBe(200_000);
  });

  test('statements that give few rows answer in the format asked for', async () => {
    expect(await text(http.get('EXISTS lab.people', { default_format: 'JSONEachRow' }))).toBe(
      '{"result":1}',
    );
    expect(await text(http.get("SHOW TABLES FROM lab LIKE 'p%' FORMAT CSV"))).toBe('"people"');
    expect(await text(http.get('DESCRIBE lab.people FORMAT TSV'))).toContain('id\tUInt64');
    expect(await text(http.get('EXPLAIN SYNTAX SELECT 1'))).toContain('SELECT 1');
  });
});

describe('compression', () => {
  test('requests come packed in each way', async () => {
    for (const [encoding, pack] of [
      ['gzip', gzipSync],
      ['deflate', deflateSync],
    ] as const) {
      const response = await fetch(http.at(), {
        method: 'POST',
        body: pack(`SELECT '${encoding}'`),
        headers: { 'Content-Encoding': encoding },
      });
      expect(await response.text()).toBe(`${encoding}\n`);
    }
    const broken = await fetch(http.at(), {
      method: 'POST',
      body: 'SELECT 1',
      headers: { 'Content-Encoding': 'gzip' },
    });
    expect(broken.headers.get('x-clickhouse-exception-code')).toBe('354');
    const unknown = await fetch(http.at(), {
      method: 'POST',
      body: 'SELECT 1',
      headers: { 'Content-Encoding': 'zstd' },
    });
    expect(unknown.status).toBe(415);
  });

  test('results are packed only when both header and setting ask for it', async () => {
    const ask = (parameters: Record<string, string>, encoding: string) =>
      new Promise<{ encoding: string | undefined; body: Buffer }>((resolve, reject) => {
        request(
          http.at({ query: 'SELECT number FROM numbers(1000)', ...parameters }),
          { headers: { 'Accept-Encoding': encoding } },
          (response) => {
            const chunks: Buffer[] = [];
            response.on('data', (chunk: Buffer) => chunks.push(chunk));
            response.on('end', () => {
              const encoding = response.headers['content-encoding'];
              resolve({ encoding, body: Buffer.concat(chunks) });
            });
          },
        )
          .on('error', reject)
          .end();
      });
    const packed = await ask({ enable_http_compression: '1' }, 'gzip, br');
    expect(packed.encoding).toBe('gzip');
    expect(gunzipSync(packed.body).toString().split('\n').length).toBe(1001);
    expect((await ask({}, 'gzip')).encoding).toBeUndefined();
    expect((await ask({ enable_http_compression: '1' }, 'zstd')).encoding).toBeUndefined();
  });

  test('the client library packs both ways', async () => {
    const packing = createClient({
      url: warehouse.url,
      compression: { request: true, response: true },
    });
    await packing.command({ query: 'CREATE TABLE lab.packed (a Int32) ENGINE = Memory' });
    const values = Array.from({ length: 10_000 }, (_, a) => ({ a }));
    await packing.insert({ table: 'lab.packed', values, format: 'JSONEachRow' });
    const result = await packing.query({
      query: 'SELECT a FROM lab.packed ORDER BY a',
      format: 'JSONEachRow',
    });
    expect(await result.json()).toEqual(values);
    await packing.close();
  });
});

describe('what comes beside a result', () => {
  test('headers name query, format and time zone, and the summary counts rows', async () => {
    const response = await http.get('SELECT number FROM numbers(5)', { query_id: 'mine-1' });
    expect(response.headers.get('x-clickhouse-query-id')).toBe('mine-1');
    expect(response.headers.get('x-clickhouse-timezone')).toMatch(/UTC/);
    expect(response.headers.get('x-clickhouse-server-display-name')).not.toBe('');
    const summary = JSON.parse(response.headers.get('x-clickhouse-summary') ?? '') as object;
    expect(summary).toMatchObject({ read_rows: '5', result_rows: '5', result_bytes: '10' });
    expect(
      Object.values(summary).every((value) => typeof value === 'string' && /^\d+$/.test(value)),
    ).toBe(true);
  });

  test('an insert tells how many rows it wrote', async () => {
    const { summary, query_id } = await client.insert({
      table: 'lab.people',
      values: [{ id: 100, name: 'x' }],
      format: 'JSONEachRow',
      query_id: 'mine-2',
    });
    expect(query_id).toBe('mine-2');
    expect(summary?.written_rows).toBe('1');
    await client.command({ query: 'ALTER TABLE lab.people DELETE WHERE id = 100' });
  });
});

describe('failures', () => {
  test('each has its number, its status and a text that the client library reads', async () => {
    const cases: [string, string, number][] = [
      ['SELECT * FROM lab.nosuch', '60', 404],
      ['SELECT * FROM nosuch.t', '81', 404],
      ['SELECT nosuch FROM lab.people', '47', 404],
      ['SELECT nosuch(1)', '46', 404],
      ['SELECT 1 FORMAT Nosuch', '73', 404],
      ["SELECT toInt32('x')", '6', 400],
      ['SELECT throwIf(1)', '395', 500],
      [
        'SELECT count() FROM numbers(1000000000000) WHERE cityHash64(number) = 1 SETTINGS max_execution_time = 1',
        '159',
        408,
      ],
      [
        'SELECT groupArray(toString(number)) FROM numbers(1000000000) SETTINGS max_memory_usage = 10000000',
        '241',
        500,
      ],
      ['CREATE TABLE lab.people (a Int8) ENGINE = Memory', '57', 500],
    ];
    for (const [query, code, status] of cases) {
      const response = await http.post(query);
      expect([response.headers.get('x-clickhouse-exception-code'), response.status], query).toEqual(
        [code, status],
      );
      expect(await response.text()).toMatch(
        new RegExp(
          `^Code: ${code}\\. DB::Exception: [^]*\\([A-Z_0-9]+\\) \\(version 26\\.[0-9.]+\\)\n$`,
        ),
      );
    }
    await expect(client.query({ query: 'SELECT * FROM lab.nosuch' })).rejects.toMatchObject({
      code: '60',
      type: 'UNKNOWN_TABLE',
    });
  });

  test('one in the middle of a result is told at its end, and the result is not taken for whole', async () => {
    const result = await client.query({
      query:
        "SELECT number, throwIf(number = 3000000, 'too far') FROM numbers(10000000) SETTINGS max_threads = 1",
      format: 'JSONEachRow',
    });
    let rows = 0;
    const reading = (async () => {
      for await (const chunk of result.stream()) rows += chunk.length;
    })();
    await expect(reading).rejects.toMatchObject({ code: '395' });
    expect(rows).toBeGreaterThan(100_000);

    const raw = await http.get(
      "SELECT throwIf(number = 3000000, 'too far') FROM numbers(10000000) SETTINGS max_threads = 1",
    );
    expect(raw.status).toBe(200);
    await expect(raw.text()).rejects.toThrow('terminated');
  });

  test('the log names a failed query and its kind, and holds nothing of its text', async () => {
    await http.get("SELECT 'top-secret-value' + 1", { query_id: 'failing-1' });
    await expect.poll(() => warehouse.logs()).toContain('failing-1');
    const line =
      warehouse
        .logs()
        .split('\n')
        .find((line) => line.includes('failing-1')) ?? '';
    expect(JSON.parse(line)).toMatchObject({
      level: 'warn',
      query_id: 'failing-1',
      code: expect.any(Number) as unknown,
      kind: expect.stringMatching(/^[A-Z_]+$/) as unknown,
    });
    expect(warehouse.logs()).not.toContain('top-secret-value');
  });

  test('what only a real server can do is refused by name', async () => {
    for (const parameters of [{ compress: '1' }, { decompress: '1' }, { role: 'x' }]) {
      expect((await http.post('SELECT 1', parameters as Record<string, string>)).status).toBe(501);
    }
  });
});
