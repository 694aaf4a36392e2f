import { randomUUID } from 'node:crypto';
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

describe('where a server is looked for', () => {
  test('ping, greeting and replica status answer Ok, also to HEAD', async () => {
    for (const path of ['/ping', '/', '/replicas_status']) {
      const response = await fetch(http.at({}, path));
      expect(response.status).toBe(200);
      expect(await response.text()).toBe('Ok.\n');
      expect((await fetch(http.at({}, path), { method: 'HEAD' })).status).toBe(200);
    }
    expect(await client.ping()).toEqual({ success: true });
    expect(await client.ping({ select: true })).toEqual({ success: true });
    expect((await fetch(http.at({}, '/elsewhere'))).status).toBe(404);
  });

  test('the answer to HEAD has the headers of the query and no body', async () => {
    const response = await fetch(http.at({ query: 'SELECT 1' }), { method: 'HEAD' });
    expect(response.status).toBe(200);
    expect(response.headers.get('x-clickhouse-format')).toBe('TabSeparated');
    expect(await response.text()).toBe('');
  });
});

describe('where the statement comes from', () => {
  test('it is taken from the URL, from the body, or from both', async () => {
    expect(await text(http.get('SELECT 1'))).toBe('1');
    expect(await text(http.post('SELECT 1'))).toBe('1');
    expect(
      await text(
        fetch(http.at({ query: 'SELECT count() FROM' }), { method: 'POST', body: 'lab.people' }),
      ),
    ).toBe('2');
    const insert = http.at({ query: 'INSERT INTO lab.people FORMAT TSV' });
    expect((await fetch(insert, { method: 'POST', body: '3\tCid\n' })).status).toBe(200);
    expect(await text(http.get('SELECT name FROM lab.people WHERE id = 3'))).toBe('Cid');
  });

  test('GET cannot write', async () => {
    for (const query of [
      'DROP TABLE lab.people',
      "INSERT INTO lab.people VALUES (9, 'x')",
      'WITH 1 AS x INSERT INTO lab.people SELECT 9, toString(x)',
      'OPTIMIZE TABLE lab.people',
    ]) {
      const response = await http.get(query);
      expect(response.headers.get('x-clickhouse-exception-code'), query).toBe('164');
    }
    expect(await text(http.get('EXISTS lab.people'))).toBe('1');
    expect(await text(http.get('SELECT getSetting({s:String})', { param_s: 'readonly' }))).toBe(
      '2',
    );
  });

  test('several statements in one request are refused, and data is never run', async () => {
    for (const query of ['SELECT 1; DROP TABLE lab.people', 'SET x = 1; SELECT 1; SELECT 2']) {
      expect(await text(http.post(query))).toContain(
        '(Multi-statements are not allowed). (SYNTAX_ERROR)',
      );
    }
    await http.post('CREATE TABLE lab.lines (line String) ENGINE = Memory');
    const poison = ['a', '', 'DROP TABLE lab.people', ';', 'DROP TABLE lab.people;', ''];
    await http.post(`INSERT INTO lab.lines FORMAT LineAsString\n${poison.join('\n')}\n`);
    expect(await text(http.get('SELECT line FROM lab.lines FORMAT TSVRaw'))).toBe(
      poison.join('\n').trimEnd(),
    );
    await http.post("INSERT INTO lab.lines VALUES ('x');\n\nDROP TABLE lab.people");
    await http.post(
      'INSERT INTO lab.lines FORMAT JSONEachRow {"line":"y"}\n\nDROP TABLE lab.people\n',
    );
    expect(await text(http.get('EXISTS lab.people'))).toBe('1');
    expect(await text(http.post('SELECT 1; -- the end\n ;'))).toBe('1');
  });

  test('files of the server cannot be read or written by a statement', async () => {
    const path = `${warehouse.dataDir}/stolen`;
    for (const query of [
      `SELECT 1 INTO OUTFILE '${path}'`,
      `SELECT 1 into /* x */ outfile '${path}' FORMAT CSV`,
      `INSERT INTO lab.people FROM INFILE '${path}' FORMAT CSV`,
    ]) {
      expect(await text(http.post(query)), query).toContain('is not allowed. (SYNTAX_ERROR)');
    }
  });

  test('an empty query and a broken one are syntax errors', async () => {
    for (const query of [' ', '-- nothing', 'SELEC 1', "SELECT 'open"]) {
      const response = await http.post(query);
      expect([response.status, response.headers.get('x-clickhouse-exception-code')]).toEqual([
        400,
        '62',
      ]);
    }
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
        {d:DateTime64(3)} = toDateTime64('2026-01-02 03:04:05.678', 3) AS d, count() > 1 AS c
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
      { n: null, b: '18446744073709551615', f: 1.5, a: [1, 2], d: 1, c: 1 },
    ]);
  });

  test('a parameter of one request is not there for the next', async () => {
    expect(await text(http.get('SELECT {secret:String}', { param_secret: 'mine' }))).toBe('mine');
    for (let i = 0; i < 10; i += 1) {
      const response = await http.get('SELECT {secret:String}');
      expect(await response.text()).not.toContain('mine');
      expect(response.headers.get('x-clickhouse-exception-code')).toBe('456');
    }
  });

  test('many requests side by side each get their own parameters', async () => {
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, n) =>
        text(http.get('SELECT {v:UInt32}', { param_v: String(n) })),
      ),
    );
    expect(answers).toEqual(answers.map((_, n) => String(n)));
  });
});

describe('settings and database', () => {
  test('settings of a request, of its SETTINGS clause and of SET end with it', async () => {
    const now = "SELECT value FROM system.settings WHERE name = 'max_block_size'";
    const usual = await text(http.get(now));
    for (const method of ['GET', 'POST'] as const) {
      const ask = (query: string, parameters = {}) =>
        text(fetch(http.at({ query, ...parameters }), { method }));
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
    const response = await http.get('SELECT 1', { no_such_setting: '1' });
    expect([response.status, response.headers.get('x-clickhouse-exception-code')]).toEqual([
      404,
      '115',
    ]);
    expect(await text(http.get('SELECT 1'))).toBe('1');
  });

  test('parameters of HTTP itself are accepted and do not reach the engine', async () => {
    expect(
      await text(
        http.get('SELECT 1', {
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
    expect(await text(http.get('SELECT count() FROM people', { database: 'lab' }))).toBe('3');
    expect(
      await text(
        fetch(http.at({ query: 'SELECT currentDatabase()' }), {
          headers: { 'X-ClickHouse-Database': 'lab' },
        }),
      ),
    ).toBe('lab');
    expect(await text(http.get('SELECT currentDatabase()'))).toBe('default');
    const response = await http.get('SELECT 1', { database: 'nosuch' });
    expect(response.headers.get('x-clickhouse-exception-code')).toBe('81');
    expect(await text(http.get('SELECT currentDatabase()'))).toBe('default');
  });
});

describe('sessions', () => {
  test('a session keeps temporary tables, settings and database, and nobody else sees them', async () => {
    const session_id = randomUUID();
    const other = randomUUID();
    await text(http.post('CREATE TEMPORARY TABLE mine (a Int8)', { session_id }));
    expect((await http.post('INSERT INTO mine VALUES (1), (2)', { session_id })).status).toBe(200);
    await http.post('SET max_block_size = 11', { session_id });
    await http.post('USE lab', { session_id });
    const state =
      "SELECT getSetting('max_block_size'), currentDatabase(), (SELECT count() FROM mine)";
    expect(await text(http.post(state, { session_id }))).toBe('11\tlab\t2');
    // A setting of one request inside the session is over with it.
    expect(
      await text(http.post(state, { session_id, max_block_size: '12', database: 'default' })),
    ).toBe('12\tdefault\t2');
    expect(await text(http.post(state, { session_id }))).toBe('11\tlab\t2');
    for (const elsewhere of [{ session_id: other }, {}]) {
      expect((await http.post('SELECT * FROM mine', elsewhere)).status).toBe(404);
    }
    await http.post('SELECT 1', { session_id, close_session: '1' });
    const gone = await http.post('SELECT 1', { session_id, session_check: '1' });
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
    const slow = http.post('SELECT sleep(1)', { session_id });
    await expect
      .poll(async () =>
        (await http.post('SELECT 1', { session_id })).headers.get('x-clickhouse-exception-code'),
      )
      .toBe('373');
    expect((await slow).status).toBe(200);
  });

  test('a session ends after its timeout', async () => {
    const session_id = randomUUID();
    await http.post('SELECT 1', { session_id, session_timeout: '1' });
    await expect
      .poll(
        async () => {
          const response = await http.post('SELECT 1', {
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
      (await http.post('SELECT 1', { session_id, session_timeout: '99999' })).headers.get(
        'x-clickhouse-exception-code',
      ),
    ).toBe('374');
  });
});
