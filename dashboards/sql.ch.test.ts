import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startPages, type RunningPages } from './testing/running-pages.ts';
import type { ProblemDocument, Schema, SqlLine } from './wire.ts';

let pages: RunningPages;

beforeAll(async () => {
  pages = await startPages();
  await pages.writer.command({ query: 'CREATE DATABASE lab' });
  await pages.writer.command({
    query: `CREATE TABLE lab.people (id UInt64 COMMENT 'who', name String, paid Decimal(12, 2))
            ENGINE = MergeTree ORDER BY id COMMENT 'people'`,
  });
  await pages.writer.command({
    query: "INSERT INTO lab.people VALUES (1, 'Ann', 1.5), (18446744073709551615, 'Bob', 2)",
  });
});
afterAll(async () => pages[Symbol.asyncDispose]());

async function post(sql: string, params = {}, signal?: AbortSignal): Promise<Response> {
  return fetch(`${pages.url}/api/sql/run`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ sql, params }),
    ...(signal === undefined ? {} : { signal }),
  });
}

async function run(sql: string, params = {}): Promise<SqlLine[]> {
  const response = await post(sql, params);
  expect(response.status).toBe(200);
  const text = await response.text();
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as SqlLine);
}

const kinds = (lines: readonly SqlLine[]) => new Set(lines.map((line) => Object.keys(line)[0]));

test('rows come with types, exact, and with their end', async () => {
  const lines = await run('SELECT * FROM lab.people WHERE id >= {least:UInt64} ORDER BY id;', {
    least: '1',
  });
  expect(lines.filter((line) => !('progress' in line))).toEqual([
    {
      meta: [
        { name: 'id', type: 'UInt64' },
        { name: 'name', type: 'String' },
        { name: 'paid', type: 'Decimal(12, 2)' },
      ],
    },
    { row: ['1', 'Ann', '1.50'] },
    { row: ['18446744073709551615', 'Bob', '2.00'] },
    { done: { rows: 2, elapsedMs: expect.any(Number), truncated: false } },
  ]);
});

test('a statement that names its own format is shown as text', async () => {
  const lines = await run('SELECT name FROM lab.people ORDER BY id FORMAT TSV');
  expect(lines.slice(0, 2)).toEqual([{ text: 'Ann' }, { text: 'Bob' }]);
});

test.each([
  'SHOW TABLES FROM lab',
  'DESCRIBE lab.people',
  'EXPLAIN SELECT 1',
  'WITH 1 AS a SELECT a -- so',
])('%s runs', async (sql) => {
  expect(kinds(await run(sql))).toContain('row');
});

test('a page gets the first rows of many', async () => {
  const lines = await run('SELECT number FROM numbers(100000)');
  expect(lines.at(-1)).toMatchObject({ done: { rows: 20_000, truncated: true } });
});

test('progress is told while a query runs, and who goes ends it', async () => {
  const gone = new AbortController();
  const response = await post(
    'SELECT count() FROM numbers(100000000000) WHERE sipHash64(number) % 7 = 8',
    {},
    gone.signal,
  );
  const reader = response.body?.getReader();
  const first = await reader?.read();
  expect(Buffer.from(first?.value ?? []).toString('utf8')).toContain('"progress"');
  gone.abort();
  // Of two places one is free again only when the engine has let go of the query.
  for (let turn = 0; turn < 4; turn++) expect(kinds(await run('SELECT 1'))).toContain('done');
  await expect.poll(async () => running(), { timeout: 10_000 }).toBe(0);
});

async function running(): Promise<number> {
  const result = await pages.writer.query({
    query: `SELECT count() AS n FROM system.processes WHERE query LIKE '%100000000000%' AND query NOT LIKE '%processes%'`,
    format: 'JSONEachRow',
  });
  const [row] = await result.json<{ n: string }>();
  return Number(row?.n);
}

test('an error comes with name, number and place', async () => {
  const response = await post('SELECT 1,\n  FROMM x y z');
  const body = (await response.json()) as ProblemDocument;
  expect({ status: response.status, error: body.error }).toMatchObject({
    status: 422,
    error: { code: 62, name: 'SYNTAX_ERROR', line: 2, column: expect.any(Number) },
  });
});

test('an error in the middle of a result ends it', async () => {
  const lines = await run(
    'SELECT throwIf(number = 300000) AS x, repeat(toString(number), 3) FROM numbers(1000000) SETTINGS max_block_size = 1000',
  );
  expect(lines.at(-1)).toMatchObject({ done: { truncated: true } });
  const few = await run(
    'SELECT throwIf(number = 15000) AS x FROM numbers(19000) SETTINGS max_block_size = 1000, max_threads = 1',
  );
  expect(few.at(-1)).toMatchObject({ error: { code: 395 } });
});

describe('hostile statements are refused or bounded', () => {
  test.each([
    "INSERT INTO lab.people VALUES (3, 'Eve', 0)",
    'DROP TABLE lab.people',
    'ALTER TABLE lab.people DELETE WHERE 1',
    'CREATE TABLE lab.mine (a UInt8) ENGINE = Memory',
    'TRUNCATE TABLE lab.people',
    'SYSTEM SHUTDOWN',
    "SELECT * FROM file('/etc/passwd', 'LineAsString')",
    "SELECT file('/etc/passwd')",
    "SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')",
    "SELECT * FROM postgresql('127.0.0.1:5432', 'd', 't', 'u', 'p')",
    "SELECT * FROM remote('127.0.0.1', system.one)",
    "SELECT * FROM executable('id', 'TSV', 'a String')",
    'SELECT * FROM system.query_log',
    'SELECT * FROM system.processes',
    'SELECT * FROM system.users',
    "SELECT 1 INTO OUTFILE '/tmp/out'",
    'SELECT 1 SETTINGS readonly = 0',
    'SELECT 1 SETTINGS max_memory_usage = 0',
    'SELECT 1 SETTINGS max_execution_time = 3600',
    'SET readonly = 0',
    'SET ROLE ALL',
    'SELECT 1; DROP TABLE lab.people',
    'SELECT groupArray(number) FROM numbers(1000000000)',
    'SELECT sleep(3), sleep(3), sleep(3) FROM numbers(100) SETTINGS max_execution_time = 1',
  ])('%s', async (sql) => {
    const response = await post(sql);
    const text = await response.text();
    const failed =
      response.status === 422 || text.trimEnd().split('\n').at(-1)?.startsWith('{"error"');
    expect({ sql, failed, text: text.slice(0, 300) }).toMatchObject({ failed: true });
  });

  test('an enormous result is cut off, while inserts go on', async () => {
    const endless = run("SELECT number, repeat('x', 100) FROM numbers(100000000000)");
    await pages.writer.command({ query: "INSERT INTO lab.people VALUES (7, 'Ida', 0)" });
    const lines = await endless;
    expect(lines.at(-1)).toMatchObject({ done: { truncated: true } });
    const [row] = (await run('SELECT count() FROM lab.people WHERE id = 7')).filter(
      (line) => 'row' in line,
    );
    expect(row).toEqual({ row: ['1'] });
  });

  test('the table is what it was', async () => {
    expect(await run('SELECT count() FROM lab.people WHERE id != 7')).toContainEqual({
      row: ['2'],
    });
  });
});

describe('downloads', () => {
  const download = async (sql: string, as: string) =>
    fetch(`${pages.url}/api/sql/download`, {
      method: 'POST',
      body: new URLSearchParams({ sql, as }),
    });

  test('CSV has a head and every row', async () => {
    const response = await download('SELECT number AS n FROM numbers(50000)', 'csv');
    expect(response.headers.get('content-disposition')).toBe('attachment; filename="query.csv"');
    const lines = (await response.text()).trimEnd().split('\n');
    expect([lines.length, lines[0], lines.at(-1)]).toEqual([50_001, '"n"', '49999']);
  });

  test('Parquet is Parquet', async () => {
    const body = Buffer.from(
      await (await download('SELECT * FROM lab.people', 'parquet')).arrayBuffer(),
    );
    expect([body.subarray(0, 4).toString(), body.subarray(-4).toString()]).toEqual([
      'PAR1',
      'PAR1',
    ]);
  });

  test('a bad statement is a problem, not a file', async () => {
    const response = await download('SELECT nothing', 'csv');
    expect([response.status, response.headers.get('content-disposition')]).toEqual([422, null]);
  });
});

test('the schema has tables, columns, comments and functions', async () => {
  const schema = (await (await fetch(`${pages.url}/api/sql/schema`)).json()) as Schema;
  expect(schema.tables).toContainEqual({
    database: 'lab',
    name: 'people',
    comment: 'people',
    columns: [
      { name: 'id', type: 'UInt64', comment: 'who' },
      { name: 'name', type: 'String', comment: '' },
      { name: 'paid', type: 'Decimal(12, 2)', comment: '' },
    ],
  });
  expect(schema.functions).toContain('toStartOfInterval');
});

describe('other pages and names', () => {
  test.each([
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site', 'sec-fetch-mode': 'cors' },
  ])('%o is refused', async (headers) => {
    const response = await fetch(`${pages.url}/api/sql/schema`, {
      headers: headers as Record<string, string>,
    });
    expect(response.status).toBe(403);
  });

  test('a name that was made to point here is refused', async () => {
    const asked = request(`${pages.url}/api/sql/schema`, {
      headers: { host: 'evil.example' },
    }).end();
    const [response] = (await once(asked, 'response')) as [IncomingMessage];
    response.resume();
    expect(response.statusCode).toBe(403);
  });

  test('pages carry a strict policy', async () => {
    const response = await fetch(`${pages.url}/sql`);
    const policy = response.headers.get('content-security-policy') ?? '';
    expect(policy).toMatch(/default-src 'none';script-src 'self';style-src 'self' 'nonce-/);
    expect(policy).not.toContain('unsafe');
  });
});
