import { randomUUID } from 'node:crypto';
import { request } from 'node:http';
import { gunzipSync, gzipSync, deflateSync } from 'node:zlib';
import { createClient, type ClickHouseClient } from '@clickhouse/client';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startEmbeddedWarehouse, type EmbeddedWarehouse } from '../testing/embedded-server.ts';

let warehouse: EmbeddedWarehouse;
let client: ClickHouseClient;

beforeAll(async () => {
  warehouse = await startEmbeddedWarehouse();
  client = createClient({ url: warehouse.url });
  await post('CREATE DATABASE lab');
  await post('CREATE TABLE lab.people (id UInt64, name String) ENGINE = MergeTree ORDER BY id');
  await post("INSERT INTO lab.people VALUES (1, 'Ann'), (2, 'Bob')");
});

afterAll(async () => {
  await client.close();
  await warehouse[Symbol.asyncDispose]();
});

function at(parameters: Record<string, string> = {}, path = '/'): string {
  return `${warehouse.url}${path}?${new URLSearchParams(parameters).toString()}`;
}

async function get(query: string, parameters: Record<string, string> = {}): Promise<Response> {
  return fetch(at({ ...parameters, query }));
}

async function post(query: string, parameters: Record<string, string> = {}): Promise<Response> {
  const response = await fetch(at(parameters), { method: 'POST', body: query });
  return response;
}

async function text(response: Promise<Response>): Promise<string> {
  const body = await (await response).text();
  return body.trimEnd();
}

describe('where a server is looked for', () => {
  test('ping, greeting and replica status answer Ok, also to HEAD', async () => {
    for (const path of ['/ping', '/', '/replicas_status']) {
      const response = await fetch(at({}, path));
      expect(response.status).toBe(200);
      expect(await response.text()).toBe('Ok.\n');
      expect((await fetch(at({}, path), { method: 'HEAD' })).status).toBe(200);
    }
    expect(await client.ping()).toEqual({ success: true });
    expect(await client.ping({ select: true })).toEqual({ success: true });
    expect((await fetch(at({}, '/elsewhere'))).status).toBe(404);
  });

  test('the answer to HEAD has the headers of the query and no body', async () => {
    const response = await fetch(at({ query: 'SELECT 1' }), { method: 'HEAD' });
    expect(response.status).toBe(200);
    expect(response.headers.get('x-clickhouse-format')).toBe('TabSeparated');
    expect(await response.text()).toBe('');
  });
});

describe('where the statement comes from', () => {
  test('it is taken from the URL, from the body, or from both', async () => {
    expect(await text(get('SELECT 1'))).toBe('1');
    expect(await text(post('SELECT 1'))).toBe('1');
    expect(
      await text(
        fetch(at({ query: 'SELECT count() FROM' }), { method: 'POST', body: 'lab.people' }),
      ),
    ).toBe('2');
    const insert = at({ query: 'INSERT INTO lab.people FORMAT TSV' });
    expect((await fetch(insert, { method: 'POST', body: '3\tCid\n' })).status).toBe(200);
    expect(await text(get('SELECT name FROM lab.people WHERE id = 3'))).toBe('Cid');
  });

  test('GET cannot write', async () => {
    for (const query of [
      'DROP TABLE lab.people',
      "INSERT INTO lab.people VALUES (9, 'x')",
      'WITH 1 AS x INSERT INTO lab.people SELECT 9, toString(x)',
      'OPTIMIZE TABLE lab.people',
    ]) {
      const response = await get(query);
      expect(response.headers.get('x-clickhouse-exception-code'), query).toBe('164');
    }
    expect(await text(get('EXISTS lab.people'))).toBe('1');
    expect(await text(get('SELECT getSetting({s:String})', { param_s: 'readonly' }))).toBe('2');
  });

  test('several statements in one request are refused, and data is never run', async () => {
    for (const query of ['SELECT 1; DROP TABLE lab.people', 'SET x = 1; SELECT 1; SELECT 2']) {
      expect(await text(post(query))).toContain(
        '(Multi-statements are not allowed). (SYNTAX_ERROR)',
      );
    }
    await post('CREATE TABLE lab.lines (line String) ENGINE = Memory');
    const poison = ['a', '', 'DROP TABLE lab.people', ';', 'DROP TABLE lab.people;', ''];
    await post(`INSERT INTO lab.lines FORMAT LineAsString\n${poison.join('\n')}\n`);
    expect(await text(get('SELECT line FROM lab.lines FORMAT TSVRaw'))).toBe(
      poison.join('\n').trimEnd(),
    );
    await post("INSERT INTO lab.lines VALUES ('x');\n\nDROP TABLE lab.people");
    await post('INSERT INTO lab.lines FORMAT JSONEachRow {"line":"y"}\n\nDROP TABLE lab.people\n');
    expect(await text(get('EXISTS lab.people'))).toBe('1');
    expect(await text(post('SELECT 1; -- the end\n ;'))).toBe('1');
  });

  test('files of the server cannot be read or written by a statement', async () => {
    const path = `${warehouse.dataDir}/stolen`;
    for (const query of [
      `SELECT 1 INTO OUTFILE '${path}'`,
      `SELECT 1 into /* x */ outfile '${path}' FORMAT CSV`,
      `INSERT INTO lab.people FROM INFILE '${path}' FORMAT CSV`,
    ]) {
      expect(await text(post(query)), query).toContain('is not allowed. (SYNTAX_ERROR)');
    }
  });

  test('an empty query and a broken one are syntax errors', async () => {
    for (const query of [' ', '-- nothing', 'SELEC 1', "SELECT 'open"]) {
      const response = await post(query);
      expect([response.status, response.headers.get('x-clickhouse-exception-code')]).toEqual([
        400,
        '62',
      ]);
    }
  });
});

describe('result formats', () => {
  test('FORMAT in the query wins over default_format, which wins over the header', async () => {
    const headers = { 'X-ClickHouse-Format': 'CSV' };
    expect(await text(fetch(at({ query: "SELECT 'a'" }), { headers }))).toBe('"a"');
    expect(
      await text(
        fetch(at({ query: "SELECT 'a'", default_format: 'JSONCompactEachRow' }), { headers }),
      ),
    ).toBe('["a"]');
    const explicit = await fetch(
      at({ query: "SELECT 'a' AS x FORMAT JSONEachRow", default_format: 'CSV' }),
      { headers },
    );
    expect(explicit.headers.get('x-clickhouse-format')).toBe('JSONEachRow');
    expect(await explicit.text()).toBe('{"x":"a"}\n');
    expect(
      await text(
        post(
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
    expect(await text(get('EXISTS lab.people', { default_format: 'JSONEachRow' }))).toBe(
      '{"result":1}',
    );
    expect(await text(get("SHOW TABLES FROM lab LIKE 'p%' FORMAT CSV"))).toBe('"people"');
    expect(await text(get('DESCRIBE lab.people FORMAT TSV'))).toContain('id\tUInt64');
    expect(await text(get('EXPLAIN SYNTAX SELECT 1'))).toContain('SELECT 1');
  });
});

describe('query parameters', () => {
  const nasty = [
    '',
    "it's",
    'back\\slash',
    'tab\tline\nreturn\rnul\0end',
    "'; DROP TABLE lab.people; --",
    '`"{x:String}',
    'Größe 😀',
    '\\N',
  ];

  test('values arrive as they were sent, whatever they look like', async () => {
    for (const value of nasty) {
      const result = await client.query({
        query: 'SELECT {v:String} AS v, {l:Array(String)} AS l, {m:Map(String, String)} AS m',
        query_params: { v: value, l: [value, 'x'], m: { k: value } },
        format: 'JSONEachRow',
      });
      expect(await result.json()).toEqual([{ v: value, l: [value, 'x'], m: { k: value } }]);
    }
  });

  test('null, numbers, arrays, names and times keep their types', async () => {
    const result = await client.query({
      query: `SELECT {n:Nullable(Int32)} AS n, {b:UInt64} AS b, {f:Float64} AS f, {a:Array(Int32)} AS a,
        {d:DateTime64(3)} = toDateTime64('2026-01-02 03:04:05.678', 3) AS d, count() AS c
        FROM {db:Identifier}.{t:Identifier} GROUP BY ALL`,
      query_params: {
        n: null,
        b: '18446744073709551615',
        f: 1.5,
        a: [1, 2],
        d: new Date('2026-01-02T03:04:05.678Z'),
        db: 'lab',
        t: 'people',
      },
      format: 'JSONEachRow',
      clickhouse_settings: { output_format_json_quote_64bit_integers: 1 },
    });
    expect(await result.json()).toEqual([
      { n: null, b: '18446744073709551615', f: 1.5, a: [1, 2], d: 1, c: '3' },
    ]);
  });

  test('a parameter of one request is not there for the next', async () => {
    expect(await text(get('SELECT {secret:String}', { param_secret: 'mine' }))).toBe('mine');
    for (let i = 0; i < 10; i += 1) {
      const response = await get('SELECT {secret:String}');
      expect(await response.text()).not.toContain('mine');
      expect(response.headers.get('x-clickhouse-exception-code')).toBe('456');
    }
  });

  test('many requests side by side each get their own parameters', async () => {
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, n) => text(get('SELECT {v:UInt32}', { param_v: String(n) }))),
    );
    expect(answers).toEqual(answers.map((_, n) => String(n)));
  });
});

describe('settings and database', () => {
  test('settings of a request, of its SETTINGS clause and of SET end with it', async () => {
    const now = "SELECT value FROM system.settings WHERE name = 'max_block_size'";
    const usual = await text(get(now));
    for (const method of ['GET', 'POST'] as const) {
      const ask = (query: string, parameters = {}) =>
        text(fetch(at({ query, ...parameters }), { method }));
      expect(await ask(now, { max_block_size: '7' })).toBe('7');
      expect(await ask(now)).toBe(usual);
      await ask('SELECT nosuch', { max_block_size: '7' });
      expect(await ask(now)).toBe(usual);
      await ask('SELECT 1', { max_block_size: 'x' });
      expect(await ask(now)).toBe(usual);
      await ask('SELECT 1 SETTINGS max_block_size = 7');
      expect(await ask(now)).toBe(usual);
      await ask('SET max_block_size = 7');
      // On every connection: lanes are handed out by turns when asked side by side.
      const all = await Promise.all(Array.from({ length: 8 }, async () => ask(now)));
      expect(new Set(all)).toEqual(new Set([usual]));
    }
  });

  test('an unknown setting is refused by name and harms nobody after it', async () => {
    const response = await get('SELECT 1', { no_such_setting: '1' });
    expect([response.status, response.headers.get('x-clickhouse-exception-code')]).toEqual([
      404,
      '115',
    ]);
    expect(await text(get('SELECT 1'))).toBe('1');
  });

  test('parameters of HTTP itself are accepted and do not reach the engine', async () => {
    expect(
      await text(
        get('SELECT 1', {
          wait_end_of_query: '1',
          buffer_size: '100',
          send_progress_in_http_headers: '1',
          http_headers_progress_interval_ms: '10',
          enable_http_compression: '0',
          cancel_http_readonly_queries_on_client_close: '1',
          log_comment: 'mine',
          quota_key: 'x',
        }),
      ),
    ).toBe('1');
  });

  test('the database comes from parameter or header and goes with the request', async () => {
    expect(await text(get('SELECT count() FROM people', { database: 'lab' }))).toBe('3');
    expect(
      await text(
        fetch(at({ query: 'SELECT currentDatabase()' }), {
          headers: { 'X-ClickHouse-Database': 'lab' },
        }),
      ),
    ).toBe('lab');
    expect(await text(get('SELECT currentDatabase()'))).toBe('default');
    const response = await get('SELECT 1', { database: 'nosuch' });
    expect(response.headers.get('x-clickhouse-exception-code')).toBe('81');
    expect(await text(get('SELECT currentDatabase()'))).toBe('default');
  });
});

describe('sessions', () => {
  test('a session keeps temporary tables, settings and database, and nobody else sees them', async () => {
    const session_id = randomUUID();
    const other = randomUUID();
    await text(post('CREATE TEMPORARY TABLE mine (a Int8)', { session_id }));
    expect((await post('INSERT INTO mine VALUES (1), (2)', { session_id })).status).toBe(200);
    await post('SET max_block_size = 11', { session_id });
    await post('USE lab', { session_id });
    const state =
      "SELECT getSetting('max_block_size'), currentDatabase(), (SELECT count() FROM mine)";
    expect(await text(post(state, { session_id }))).toBe('11\tlab\t2');
    // A setting of one request inside the session is over with it.
    expect(await text(post(state, { session_id, max_block_size: '12', database: 'default' }))).toBe(
      '12\tdefault\t2',
    );
    expect(await text(post(state, { session_id }))).toBe('11\tlab\t2');
    for (const elsewhere of [{ session_id: other }, {}]) {
      expect((await post('SELECT * FROM mine', elsewhere)).status).toBe(404);
    }
    await post('SELECT 1', { session_id, close_session: '1' });
    const gone = await post('SELECT 1', { session_id, session_check: '1' });
    expect(gone.headers.get('x-clickhouse-exception-code')).toBe('372');
  });

  test('the client library keeps a session', async () => {
    const session = createClient({ url: warehouse.url, session_id: randomUUID() });
    await session.command({ query: 'CREATE TEMPORARY TABLE t (a Int32)' });
    await session.insert({ table: 't', values: [{ a: 1 }, { a: 2 }], format: 'JSONEachRow' });
    const result = await session.query({
      query: 'SELECT sum(a) AS s FROM t',
      format: 'JSONEachRow',
    });
    expect(await result.json()).toEqual([{ s: expect.anything() as unknown }]);
    await session.close();
  });

  test('two requests cannot be in one session at once', async () => {
    const session_id = randomUUID();
    const slow = post('SELECT sleep(1)', { session_id });
    await expect
      .poll(async () =>
        (await post('SELECT 1', { session_id })).headers.get('x-clickhouse-exception-code'),
      )
      .toBe('373');
    expect((await slow).status).toBe(200);
  });

  test('a session ends after its timeout', async () => {
    const session_id = randomUUID();
    await post('SELECT 1', { session_id, session_timeout: '1' });
    await expect
      .poll(
        async () => {
          const response = await post('SELECT 1', {
            session_id,
            session_check: '1',
            session_timeout: '1',
          });
          await new Promise((resolve) => setTimeout(resolve, 1_200));
          return response.headers.get('x-clickhouse-exception-code');
        },
        { timeout: 10_000 },
      )
      .toBe('372');
    expect(
      (await post('SELECT 1', { session_id, session_timeout: '99999' })).headers.get(
        'x-clickhouse-exception-code',
      ),
    ).toBe('374');
  });
});

describe('compression', () => {
  test('requests come packed in each way', async () => {
    for (const [encoding, pack] of [
      ['gzip', gzipSync],
      ['deflate', deflateSync],
    ] as const) {
      const response = await fetch(at(), {
        method: 'POST',
        body: pack(`SELECT '${encoding}'`),
        headers: { 'Content-Encoding': encoding },
      });
      expect(await response.text()).toBe(`${encoding}\n`);
    }
    const broken = await fetch(at(), {
      method: 'POST',
      body: 'SELECT 1',
      headers: { 'Content-Encoding': 'gzip' },
    });
    expect(broken.headers.get('x-clickhouse-exception-code')).toBe('354');
    const unknown = await fetch(at(), {
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
          at({ query: 'SELECT number FROM numbers(1000)', ...parameters }),
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
    const response = await get('SELECT number FROM numbers(5)', { query_id: 'mine-1' });
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
      const response = await post(query);
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

    const raw = await get(
      "SELECT throwIf(number = 3000000, 'too far') FROM numbers(10000000) SETTINGS max_threads = 1",
    );
    expect(raw.status).toBe(200);
    await expect(raw.text()).rejects.toThrow();
  });

  test('the log names a failed query and its kind, and holds nothing of its text', async () => {
    await get("SELECT 'top-secret-value' + 1", { query_id: 'failing-1' });
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
      expect((await post('SELECT 1', parameters as Record<string, string>)).status).toBe(501);
    }
  });
});
