import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { RunningCli, testPlace } from '../cli/testing/run-cli.ts';
import { loadLocalSettings } from '../local/settings.ts';
import type { Warehouse } from './sink/clickhouse-client.ts';
import { nullableOf } from './transform/column-type.ts';
import { startPostgres, type PostgresServer } from './testing/postgres-server.ts';
import { connectLocalWarehouse } from '../cli/local-environment.ts';

/*
 * Every type of Postgres with the values at its edges, from a real Postgres through Debezium to the
 * current view: as rows of the snapshot, as streamed inserts, and as streamed updates.
 */

/** A value as Postgres reads it, with the text of the warehouse where that is another. */
type Value = string | readonly [postgres: string, warehouse: string];

interface Case {
  readonly type: string;
  readonly clickhouse: string;
  readonly values: readonly Value[];
}

const text = (type: string, ...values: Value[]): Case => ({ type, clickhouse: 'String', values });
const typed = (type: string, clickhouse: string, ...values: Value[]): Case => ({
  type,
  clickhouse,
  values,
});

const DIGITS = '1234567890'.repeat(10);
const DECIMAL_76 = `${'9'.repeat(38)}.${'9'.repeat(37)}1`;
const UTC = "DateTime64(6, 'UTC')";

/** Types as they are stored without any setting. */
const PLAIN: readonly Case[] = [
  typed('smallint', 'Int16', '-32768', '32767', '0'),
  typed('integer', 'Int32', '-2147483648', '2147483647'),
  typed('bigint', 'Int64', '-9223372036854775808', '9223372036854775807', '9007199254740993'),
  typed('numeric(12,2)', 'Decimal(12, 2)', '9999999999.99', '-9999999999.99', ['0.10', '0.1']),
  typed('numeric(76,38)', 'Decimal(76, 38)', DECIMAL_76, `-${DECIMAL_76}`),
  typed('numeric(38,38)', 'Decimal(38, 38)', `0.${'0'.repeat(37)}1`),
  text('numeric(80,2)', `${DIGITS.slice(0, 78)}.10`, '-0.01', 'NaN'),
  text('numeric(5,-2)', '1234500', '-100'),
  text('numeric(2,5)', '0.00012'),
  text(
    'numeric',
    `${DIGITS}.${DIGITS}`,
    `0.${'0'.repeat(90)}1`,
    `1${'0'.repeat(90)}`,
    '1.50',
    'NaN',
    'Infinity',
    '-Infinity',
  ),
  typed(
    'real',
    'Float32',
    ['NaN', 'nan'],
    ['Infinity', 'inf'],
    ['-Infinity', '-inf'],
    '-0',
    '0.1',
    ['3.4028235e+38', '3.4028235e38'],
    '1e-45',
  ),
  typed(
    'double precision',
    'Float64',
    ['NaN', 'nan'],
    ['Infinity', 'inf'],
    ['-Infinity', '-inf'],
    '-0',
    '0.1',
    ['1.7976931348623157e+308', '1.7976931348623157e308'],
    '5e-324',
    '9007199254740992',
  ),
  text('money', '-92233720368547758.08', '92233720368547758.07', '0.10'),
  text('char(5)', ['ab', 'ab   '], 'é€😀ab'),
  text('"char"', 'x'),
  text('varchar(5)', '', 'ab  ', '😀😀😀😀😀'),
  text('text', '', ' ', '\t\n\r\b\f\\N\\', '"\'{}', '😀é\u2028', 'NULL', '__debezium'),
  text('name', 'a_name'),
  text('citext', 'MiXed'),
  text('bytea', '\\x', '\\x00ff220a5c', '\\xfffe'),
  typed('boolean', 'Bool', 'true', 'false'),
  typed('date', 'Date32', '1900-01-01', '2299-12-31', '1969-12-31', '2024-02-29'),
  ...['timestamp', 'timestamp(6)'].map((type) =>
    typed(
      type,
      UTC,
      ['1900-01-01 00:00:00', '1900-01-01 00:00:00.000000'],
      '2299-12-31 23:59:59.999999',
      '1969-12-31 23:59:59.999999',
      // Not there in zones that put their clocks forward that night.
      ['2024-03-31 02:30:00.000001', '2024-03-31 02:30:00.000001'],
    ),
  ),
  typed('timestamp(3)', UTC, ['2024-02-29 23:59:59.999', '2024-02-29 23:59:59.999000']),
  typed('timestamp(0)', UTC, ['1969-12-31 23:59:59', '1969-12-31 23:59:59.000000']),
  typed(
    'timestamptz',
    UTC,
    ['1900-01-01 00:00:00+00', '1900-01-01 00:00:00.000000'],
    ['2299-12-31 23:59:59.999999+00', '2299-12-31 23:59:59.999999'],
    ['2024-02-29 23:00:00.000001-05:30', '2024-03-01 04:30:00.000001'],
  ),
  text('time', '00:00:00', '23:59:59.999999', '24:00:00', ['12:34:56.1', '12:34:56.100000']),
  text('time(3)', ['23:59:59.999', '23:59:59.999000']),
  typed(
    'uuid',
    'UUID',
    '00000000-0000-0000-0000-000000000000',
    'ffffffff-ffff-ffff-ffff-ffffffffffff',
  ),
  text('json', '{"a": 9007199254740993, "a":  1e400}', 'null', '"x"'),
  text(
    'jsonb',
    '{"a": 9007199254740993, "b": [null, 12345678901234567890.10]}',
    'null',
    '"\\u0001"',
  ),
  typed('mood', 'LowCardinality(String)', 'ok', 'so so', 'ünhappy'),
  typed('positive', 'Int32', '1', '2147483647'),
  text('price', '1.23', '12345678901234567890.5'),
  text('address', '("a ""b"",c",1)', '(,)'),
  text('inet', '10.0.0.1', '::1', '10.1.2.3/8', 'fe80::1/64'),
  text('cidr', '10.0.0.0/8', '2001:db8::/32'),
  text('macaddr', '08:00:2b:01:02:03'),
  text('macaddr8', '08:00:2b:01:02:03:04:05'),
  typed('bit(1)', 'Bool', ['1', 'true'], ['0', 'false']),
  text('bit(12)', '100000000001', '000000000000'),
  text('varbit', '001', '', '1'),
  text('varbit(5)', '00101', '01'),
  text('int4range', 'empty', '[1,5)', '(,)', '[-5,)'),
  text('int8range', '[9007199254740993,9223372036854775807)'),
  text('numrange', '[1.10,2.50]', '(,NaN]'),
  text('tsrange', '["2024-01-01 00:00:00","0044-03-15 00:00:00 BC")'.replace(/,.*/, ',infinity]')),
  text('tstzrange', '["2024-01-01 00:00:00+00",)'),
  text('daterange', '[2024-01-01,infinity)', 'empty'),
  text('int4multirange', '{}', '{[1,3),[5,)}'),
  text('nummultirange', '{[1.10,2.5]}'),
  text('xml', '<a b="1">é</a>'),
  text('tsvector', "'cat':3A 'sat':2"),
  text('tsquery', "'fat' & !'rat'"),
  text('point', '(1,2)', '(1e+300,-0.1)', '(Infinity,NaN)'),
  text('line', '{1,-1,0}', '{1e+20,-0.5,1e-07}'),
  text('lseg', '[(1,2),(3,4)]'),
  text('box', '(3,4),(1,2)', '(Infinity,1e+15),(100000000000000,0.0001)'),
  text('path', '((1,2),(3,4))', '[(1,2),(3,4)]'),
  text('polygon', '((1,2),(3,4))'),
  text('circle', '<(1,2),3>', '<(-1e-05,12345.678),1e+300>'),
  typed('oid', 'Int64', '0', '4294967295'),
  text('pg_lsn', '16/B374D848', 'FFFFFFFF/FFFFFFFF'),
  text('xid8', '18446744073709551615'),
  text('txid_snapshot', '10:20:10,14,15'),
  text('regclass', 'pg_class'),
  text('jsonpath', '$."a"[*]'),
  text(
    'hstore',
    ['"a"=>"1", "b"=>NULL', '{"a":"1","b":null}'],
    ['"long"=>"x", "b"=>"\\"y\\": ", "a"=>""', '{"a":"","b":"\\"y\\": ","long":"x"}'],
  ),
  text('ltree', 'Top.Science'),
  text('embedding', '[1,2.5]'),
  text('vector', '[0.1,2.5]'),
  text(
    'timetz',
    ['12:34:56.123456+00', '12:34:56.123456Z'],
    ['11:59:59-12', '23:59:59Z'],
    // Debezium moves it to UTC before any converter sees it.
    ['24:00:00+00', '00:00:00Z'],
    ['24:00:00-12', '12:00:00Z'],
  ),
  text(
    'interval',
    ['1 year 2 mons 3 days 04:05:06.789', 'P1Y2M3DT4H5M6.789S'],
    ['-1 days +00:00:00.000001', 'P0Y0M-1DT0H0M0.000001S'],
    ['00:00:00', 'P0Y0M0DT0H0M0S'],
  ),
];

/** What the types above cannot hold, in `text_columns`. */
const KEPT: readonly Case[] = [
  text('numeric(12,2)', 'NaN', '0.10', '-9999999999.99'),
  text(
    'date',
    'infinity',
    '-infinity',
    '5874897-12-31',
    '0001-01-01',
    '1899-12-31',
    '2300-01-01',
    '2024-02-29',
    '0044-03-15 BC',
    '4714-11-24 BC',
    // Not there in Java's calendar.
    '1582-10-10',
  ),
  ...['timestamp', 'timestamp(3)'].map((type) =>
    text(
      type,
      'infinity',
      '-infinity',
      '0044-03-15 12:00:00.5 BC',
      '4714-11-24 00:00:00 BC',
      '0001-01-01 00:00:00',
      '1582-10-10 00:00:00',
      '1899-12-31 23:59:59.999',
      '2300-01-01 00:00:00',
      '294246-12-31 23:59:59.999',
      '10000-02-29 23:59:59',
    ),
  ),
  text(
    'timestamptz',
    'infinity',
    '-infinity',
    '0044-03-15 12:00:00.5+00 BC',
    '4714-11-24 00:00:00+00 BC',
    '0001-01-01 00:00:00+00',
    '1582-10-10 00:00:00+00',
    '1899-12-31 23:59:59.999999+00',
    '10000-02-29 00:00:00+00',
    '294276-12-31 23:59:59.999999+00',
  ),
  text('time', '24:00:00'),
  text('int[]', '{1,NULL}', '{{1,2},{3,4}}', '[0:1]={1,2}', '{}'),
  text('int[][]', '{{1,2},{3,NULL}}'),
  text('text[]', '{"a,b",NULL,"NULL"}'),
  text('date[]', '{infinity,"0044-03-15 BC"}'),
  text('timestamptz[]', '{-infinity,"0044-03-15 12:00:00.5+00 BC","2024-02-29 12:00:00+00"}'),
];

/** Arrays; the same columns are nullable in one table and NOT NULL in another. */
const array = (type: string, clickhouse: string, ...values: Value[]): Case =>
  typed(`${type}[]`, `Array(Nullable(${clickhouse}))`, ...values);

const ARRAYS: readonly Case[] = [
  array('smallint', 'Int16', ['{-32768,NULL}', '[-32768,NULL]'], ['{}', '[]']),
  array('int', 'Int32', ['{1,NULL,3}', '[1,NULL,3]']),
  array('bigint', 'Int64', ['{9007199254740993,NULL}', '[9007199254740993,NULL]']),
  array('numeric(12,2)', 'String', ['{1.25,NULL}', "['1.25',NULL]"]),
  array('numeric', 'String', ['{1.50,NULL,NaN}', "['1.50',NULL,'NaN']"]),
  array('real', 'Float32', ['{NaN,0.1,NULL}', '[nan,0.1,NULL]']),
  array('double precision', 'Float64', ['{-Infinity,0.1,NULL}', '[-inf,0.1,NULL]']),
  array('boolean', 'Bool', ['{t,f,NULL}', '[true,false,NULL]']),
  array('text', 'String', ['{"",NULL,"NULL",a b,"{}"}', "['',NULL,'NULL','a b','{}']"]),
  array('varchar(5)', 'String', ['{ab,NULL}', "['ab',NULL]"]),
  array('char(3)', 'String', ['{ab,NULL}', "['ab ',NULL]"]),
  array('bytea', 'String', ['{"\\\\x00ff",NULL}', "['\\\\x00ff',NULL]"]),
  array('date', 'Date32', ['{2024-02-29,NULL}', "['2024-02-29',NULL]"]),
  array('timestamp', UTC, [
    '{"2024-02-29 12:00:00.000001",NULL}',
    "['2024-02-29 12:00:00.000001',NULL]",
  ]),
  array('timestamptz', UTC, [
    '{"2024-02-29 12:00:00.000001+00",NULL}',
    "['2024-02-29 12:00:00.000001',NULL]",
  ]),
  array('uuid', 'UUID', [
    '{00000000-0000-0000-0000-000000000001,NULL}',
    "['00000000-0000-0000-0000-000000000001',NULL]",
  ]),
  array('jsonb', 'String', [
    `{"{\\"a\\": 9007199254740993}",NULL}`,
    `['{"a": 9007199254740993}',NULL]`,
  ]),
  array('inet', 'String', ['{10.0.0.1,NULL}', "['10.0.0.1',NULL]"]),
  array('int4range', 'String', ['{"[1,5)",NULL}', "['[1,5)',NULL]"]),
  array('citext', 'String', ['{aB,NULL}', "['aB',NULL]"]),
  array('mood', 'String', ['{ok,so so,NULL}', "['ok','so so',NULL]"]),
  array('positive', 'String', ['{1,NULL}', "['1',NULL]"]),
  array('address', 'String', [String.raw`{"(\"a b\",1)",NULL}`, `['("a b",1)',NULL]`]),
  array('time', 'String', ['{12:34:56.123456,24:00:00}', "['12:34:56.123456','24:00:00']"]),
  array('timetz', 'String', ['{12:00:00+02,NULL}', "['12:00:00+02',NULL]"]),
  array('interval', 'String', ['{"1 mon -1 days",NULL}', "['1 mon -1 days',NULL]"]),
  array('money', 'String', ['{1.50,NULL}', "['$1.50',NULL]"]),
  array('name', 'String', ['{a,NULL}', "['a',NULL]"]),
  array('xml', 'String', ['{<a/>,NULL}', "['<a/>',NULL]"]),
  array('bit(3)', 'String', ['{001,NULL}', "['001',NULL]"]),
  array('varbit', 'String', ['{001,01}', "['001','01']"]),
  array('point', 'String', ['{"(1,2)",NULL}', "['(1,2)',NULL]"]),
  array('box', 'String', ['{(3,4),(1,2);NULL}', "['(3,4),(1,2)',NULL]"]),
  array('hstore', 'String', [`{"\\"a\\"=>\\"1\\"",NULL}`, `['"a"=>"1"',NULL]`]),
  array('oid', 'Int64', ['{4294967295,NULL}', '[4294967295,NULL]']),
];

const json = (type: string, postgres: string, warehouse: string): Case =>
  text(`${type}[]`, [postgres, warehouse]);

const NULLABLE_ARRAYS: readonly Case[] = [
  json('bigint', '{9007199254740993,NULL}', '["9007199254740993",null]'),
  json('real', '{NaN,0.1,-0,NULL}', '["nan",0.1,"-0",null]'),
  json('double precision', '{0.1,Infinity,NULL}', '[0.1,"inf",null]'),
  json('boolean', '{t,NULL}', '[true,null]'),
  json('text', '{"",NULL,"NULL"}', '["",null,"NULL"]'),
  json('bytea', '{"\\\\x00ff",NULL}', '["\\\\x00ff",null]'),
  json('date', '{2024-02-29,NULL}', '["2024-02-29",null]'),
  json('timestamp', '{"2024-02-29 12:00:00.000001",NULL}', '["2024-02-29 12:00:00.000001",null]'),
  json('timestamptz', '{"2024-02-29 17:30:00+05:30",NULL}', '["2024-02-29 12:00:00.000000",null]'),
  json('time', '{12:34:56.1}', '["12:34:56.1"]'),
  json('mood', '{NULL,ok}', '[null,"ok"]'),
  json('int4range', '{}', '[]'),
];

const TABLES: Readonly<Record<string, readonly Case[]>> = {
  plain: PLAIN,
  kept: KEPT,
  arrays: ARRAYS,
  nullable_arrays: NULLABLE_ARRAYS,
};

/** Values of some kilobytes, stored out of line, of every type that has such. */
const OUT_OF_LINE: readonly (readonly [type: string, sql: string])[] = [
  ['text', "repeat('é', 3000)"],
  ['varchar', "repeat('x', 3000)"],
  ['char(3000)', "'x'"],
  ['citext', "repeat('Xx', 3000)"],
  ['bytea', "decode(repeat('00ff', 3000), 'hex')"],
  ['json', `('["' || repeat('x', 3000) || '"]')::json`],
  ['jsonb', `('["' || repeat('x', 3000) || '"]')::jsonb`],
  ['xml', "('<a>' || repeat('x', 3000) || '</a>')::xml"],
  ['hstore', "hstore('k', repeat('v', 3000))"],
  ['numeric', "repeat('1', 9000)::numeric"],
  ['path', "('[' || repeat('(1,2),', 600) || '(3,4)]')::path"],
  ['tsvector', 'array_to_tsvector(ARRAY(SELECT i::text FROM generate_series(1, 1000) i))'],
  ['address', "ROW(repeat('x', 3000), 1)::address"],
  ['text[]', "array_fill('ä'::text, ARRAY[1000])"],
  ['varchar(9)[]', "array_fill('ä'::varchar, ARRAY[1000])"],
  ['int[]', 'array_fill(116, ARRAY[1000])'],
  ['bigint[]', 'array_fill(116::bigint, ARRAY[1000])'],
  ['date[]', "array_fill('2024-02-29'::date, ARRAY[1000])"],
  ['uuid[]', "array_fill('00000000-0000-0000-0000-00000000000f'::uuid, ARRAY[1000])"],
  ['bytea[]', "array_fill('\\x00ff'::bytea, ARRAY[1000])"],
  ['jsonb[]', "array_fill('{}'::jsonb, ARRAY[1000])"],
  ['numeric[]', 'array_fill(1.5, ARRAY[1000])'],
  ['double precision[]', 'array_fill(0.1::float8, ARRAY[1000])'],
  ['boolean[]', 'array_fill(true, ARRAY[3000])'],
  ['timestamp[]', "array_fill('2024-02-29'::timestamp, ARRAY[1000])"],
  ['inet[]', "array_fill('10.0.0.1'::inet, ARRAY[1000])"],
  ['mood[]', "array_fill('ok'::mood, ARRAY[1000])"],
  ['bit(20000)', "repeat('01', 10000)::bit(20000)"],
  ['varbit', "repeat('01', 10000)::varbit"],
  ['vector', "('[' || repeat('0.1,', 2000) || '1]')::vector"],
];

/** Defaults that are more than a constant, or are one of a type that Debezium finds hard. */
const DEFAULTS = [
  'timestamptz DEFAULT now()',
  "timestamp DEFAULT 'infinity'",
  'date DEFAULT current_date',
  "interval DEFAULT '1 day'",
  "time DEFAULT '12:00'",
  "timetz DEFAULT '12:00+02'",
  'uuid DEFAULT gen_random_uuid()',
  "jsonb DEFAULT '{}'",
  "int[] DEFAULT '{1,2}'",
  "text[] NOT NULL DEFAULT '{}'",
  "mood NOT NULL DEFAULT 'so so'",
  "numeric DEFAULT 'NaN'",
  'numeric(9,2) NOT NULL DEFAULT 1.5',
  "double precision NOT NULL DEFAULT 'Infinity'",
  'money DEFAULT 1.5',
  "bytea NOT NULL DEFAULT '\\x00'",
  "bit(3) DEFAULT B'101'",
  "hstore DEFAULT 'a=>1'",
  "address DEFAULT ROW('a', 1)::address",
  'point DEFAULT point(1, 2)',
  "int4range DEFAULT '[1,2)'",
  'bigint GENERATED BY DEFAULT AS IDENTITY',
];

/** Ids of rows by how they arrive, from these on. */
const SNAPSHOT = 0;
const INSERTED = 100;
const UPDATED = 200;

const NAMES = ['_version', '_deleted', 'from', 'MiXed "quoted"', 'größe €', 'x'.repeat(63)];

/** Name of a copy of a table; those of `kept` are in `text_columns` too. */
const kept = (table: string) => (table === 'kept' ? 'kept2' : `${table}_late`);

const rowsOf = (cases: readonly Case[]) => Math.max(...cases.map(({ values }) => values.length));

let server: PostgresServer;
let client: pg.Client;
let cli: RunningCli;
let warehouse: Warehouse;
let config: string;
let env: NodeJS.ProcessEnv;

const postgresOf = (value: Value) => (typeof value === 'string' ? value : value[0]);
const warehouseOf = (value: Value) => (typeof value === 'string' ? value : value[1]);

/** Inserts a table's values, row by row; a column that has no more repeats its first. */
async function insertRows(table: string, first: number, firstValues = false): Promise<void> {
  const cases = TABLES[table] ?? [];
  for (let row = 0; row < rowsOf(cases); row++) {
    const literals = cases.map(({ values, type }) => {
      const value = values[firstValues ? 0 : row] ?? values[0] ?? '';
      return `${client.escapeLiteral(postgresOf(value))}::${type}`;
    });
    await client.query(`INSERT INTO ${table} VALUES (${[first + row, ...literals].join(', ')})`);
  }
}

beforeAll(async () => {
  server = await startPostgres({ walLevel: 'logical', dedicated: true });
  const { adminUrl } = await server.createDatabase('types');
  client = new pg.Client({ connectionString: adminUrl });
  await client.connect();
  await client.query(`
    CREATE EXTENSION citext; CREATE EXTENSION hstore; CREATE EXTENSION ltree;
    CREATE TYPE mood AS ENUM ('ok', 'so so', 'ünhappy');
    CREATE DOMAIN positive AS int CHECK (VALUE > 0);
    CREATE DOMAIN price AS numeric;
    CREATE TYPE address AS (street text, number int);
    CREATE TYPE embedding;
    CREATE FUNCTION embedding_in(cstring) RETURNS embedding LANGUAGE internal IMMUTABLE STRICT AS 'textin';
    CREATE FUNCTION embedding_out(embedding) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'textout';
    CREATE TYPE embedding (INPUT = embedding_in, OUTPUT = embedding_out);
    CREATE TYPE vector;
    CREATE FUNCTION vector_in(cstring) RETURNS vector LANGUAGE internal IMMUTABLE STRICT AS 'textin';
    CREATE FUNCTION vector_out(vector) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'textout';
    CREATE TYPE vector (INPUT = vector_in, OUTPUT = vector_out, STORAGE = extended);
  `);
  await client.query(`SET timezone = 'Asia/Kolkata'`);
  const names = OUT_OF_LINE.map((_, index) => `c${index}`);
  await client.query(`
    CREATE TABLE out_of_line (id int PRIMARY KEY, n int, ${OUT_OF_LINE.map(([type], index) => `${names[index]} ${type}`).join(', ')});
    ALTER TABLE out_of_line ${names.map((name) => `ALTER ${name} SET STORAGE EXTERNAL`).join(', ')};
    INSERT INTO out_of_line VALUES (1, 1, ${OUT_OF_LINE.map(([, sql]) => sql).join(', ')});
    INSERT INTO out_of_line (id, n) VALUES (2, 1)`);
  for (const [table, cases] of Object.entries(TABLES)) {
    const constraint = table === 'arrays' ? ' NOT NULL' : '';
    const columns = cases.map(({ type }, index) => `c${index} ${type}${constraint}`);
    await client.query(`CREATE TABLE ${table} (id int PRIMARY KEY, ${columns.join(', ')})`);
    await insertRows(table, SNAPSHOT);
  }
  await client.query(`
    CREATE TABLE kept_defaults (id int PRIMARY KEY, ${DEFAULTS.map((column, index) => `c${index} ${column}`).join(', ')});
    INSERT INTO kept_defaults VALUES (1);
    CREATE TABLE bounded (id int PRIMARY KEY, amount numeric(5,2), since date, at timestamptz);
    CREATE TABLE "Select" (id int PRIMARY KEY, ${NAMES.map((name) => `${client.escapeIdentifier(name)} int`).join(', ')});
    CREATE SCHEMA other;
    CREATE TABLE other."Select" (id int PRIMARY KEY)`);
  const place = await testPlace('types', 6_000);
  config = join(place.stateDir, 'types.yaml');
  env = { ...place.env, TYPES_URL: adminUrl };
  writeFileSync(
    config,
    'sources:\n  - name: types\n    url: ${TYPES_URL}\n    tables: [public.*, other.*]\n    text_columns: [public.kept*.*]\n',
  );
  cli = new RunningCli(['up', '--config', config, '--no-services'], env);
  warehouse = connectLocalWarehouse(loadLocalSettings(place.env), 'test');
  await cli.says('ready after');
});

afterAll(async () => {
  cli.child.kill('SIGTERM');
  await cli.exit();
  await warehouse.close();
  await client.end();
  await server[Symbol.asyncDispose]();
});

async function query<T>(sql: string): Promise<T[]> {
  const result = await warehouse.query({ query: sql, format: 'JSONCompactEachRow' });
  return result.json<T>();
}

/** What differs from what is wanted, a line each: column, row, wanted, got. */
async function differences(table: string): Promise<string[]> {
  const cases = TABLES[table] ?? [];
  const columns = cases.map((_, index) => `toString(c${index})`).join(', ');
  const rows = await query<[number, ...(string | null)[]]>(
    `SELECT id, ${columns} FROM types.${table} ORDER BY id`,
  );
  const byId = new Map(rows.map(([id, ...cells]) => [id, cells]));
  const found: string[] = [];
  for (const first of [SNAPSHOT, INSERTED, UPDATED]) {
    for (let row = 0; row < rowsOf(cases); row++) {
      const cells = byId.get(first + row);
      if (cells === undefined) found.push(`row ${first + row} is missing`);
      for (const [index, { type, values }] of cases.entries()) {
        const wanted = warehouseOf(values[row] ?? values[0] ?? '');
        const got = cells?.[index];
        if (got !== undefined && got !== wanted) {
          found.push(`${type}, row ${first + row}: wanted ${wanted}, got ${got}`);
        }
      }
    }
  }
  return found;
}

test.each(Object.keys(TABLES))(
  'every value of table %s arrives exactly, by snapshot, insert and update',
  async (table) => {
    const cases = TABLES[table] ?? [];
    await insertRows(table, INSERTED);
    await insertRows(table, UPDATED, true);
    const columns = cases.map((_, index) => `c${index}`).join(', ');
    await client.query(
      `UPDATE ${table} a SET (id, ${columns}) = (SELECT a.id, ${columns} FROM ${table} b WHERE b.id = a.id - 100)
       WHERE id >= ${UPDATED}`,
    );
    await expect.poll(() => differences(table), { timeout: 60_000, interval: 500 }).toEqual([]);
    const types = await query<[string, string]>(
      `SELECT name, type FROM system.columns WHERE database = 'types' AND table = '${table}' AND name LIKE 'c%' ORDER BY position`,
    );
    const wanted = cases.map(({ clickhouse }) =>
      table === 'arrays' ? clickhouse : nullableOf(clickhouse),
    );
    expect(types.map(([name, type]) => `${name} ${type}`)).toEqual(
      wanted.map((type, index) => `c${index} ${type}`),
    );
  },
);

test('a value beyond its type is set aside, naming the column and the line to add', async () => {
  await client.query(`
    INSERT INTO bounded VALUES (1, 'NaN', '2024-01-01', '2024-01-01'),
      (2, 1, 'infinity', '2024-01-01'), (3, 1, '2024-01-01', '0044-03-15 BC'), (4, 1, '2024-01-01', '2024-01-01')`);
  await expect
    .poll(
      () =>
        query("SELECT reason FROM ops.dead_letters WHERE topic LIKE '%bounded' ORDER BY reason"),
      {
        timeout: 60_000,
      },
    )
    .toEqual(
      ['amount', 'at', 'since'].map((column) => [
        expect.stringContaining(`text_columns: ['public.bounded.${column}']`),
      ]),
    );
  await expect
    .poll(() => query('SELECT id FROM types.bounded'), { timeout: 60_000 })
    .toEqual([[4]]);
});

test('an update that leaves large values alone leaves them what they are, of every type, and NULL is NULL', async () => {
  const columns = OUT_OF_LINE.map((_, index) => `c${index}`).join(', ');
  await client.query(
    `INSERT INTO out_of_line SELECT 3, n, ${columns} FROM out_of_line WHERE id = 1`,
  );
  await client.query(`UPDATE out_of_line SET n = n + 1; UPDATE out_of_line SET n = n + 1`);
  await client.query('INSERT INTO kept_defaults VALUES (2)');
  const verify = new RunningCli(
    ['verify', '--config', config, 'types.out_of_line', 'types.kept_defaults'],
    env,
  );
  expect(await verify.exit(), verify.output).toBe(0);
});

test('verify reads every one of these types alike on both sides', async () => {
  const verify = new RunningCli(['verify', '--config', config, '--json'], env);
  await verify.exit();
  const { output } = verify;
  const comparisons = JSON.parse(output.slice(output.indexOf('['))) as {
    table: string;
    sourceRows: number;
    warehouseRows: number;
    notCompared: string[];
    differences: { columns: { name: string }[] }[];
  }[];
  for (const [table, cases] of Object.entries(TABLES)) {
    const found = comparisons.find((comparison) => comparison.table === table);
    const columns = found?.differences.flatMap((row) => row.columns.map(({ name }) => name)) ?? [];
    const types = cases.flatMap(({ type }, index) => (columns.includes(`c${index}`) ? [type] : []));
    const { warehouseRows: rows, notCompared } = found ?? {};
    expect({ table, types, rows, notCompared }).toEqual({
      table,
      types: [],
      rows: 3 * rowsOf(cases),
      notCompared: [],
    });
  }
});

test('a resync reads of every type what the stream brought: nothing is to be put right', async () => {
  const tables = Object.keys(TABLES);
  const resync = new RunningCli(
    ['resync', '--config', config, '--json', ...tables.map((table) => `types.${table}`)],
    env,
  );
  await resync.exit();
  const { output } = resync;
  const done = JSON.parse(output.slice(output.indexOf('['))) as object[];
  expect(new Set(done)).toEqual(
    new Set(
      Object.entries(TABLES).map(([table, cases]) => ({
        table: `types.${table}`,
        epoch: 1,
        read: 3 * rowsOf(cases),
        written: 0,
        removed: 0,
        seconds: expect.any(Number) as number,
      })),
    ),
  );
});

test('a table of which no record has come is made as its records would make it, and copied as they would fill it', async () => {
  const tables = Object.keys(TABLES);
  for (const table of tables) {
    await client.query(`CREATE TABLE ${kept(table)} (LIKE ${table} INCLUDING ALL);
      INSERT INTO ${kept(table)} SELECT * FROM ${table}`);
  }
  const resync = new RunningCli(
    ['resync', '--config', config, '--json', ...tables.map((table) => `types.${kept(table)}`)],
    env,
  );
  await resync.exit();
  const columns = (table: string) =>
    query<[string, string]>(
      `SELECT name, type FROM system.columns WHERE database = 'types' AND table = '${table}' ORDER BY position`,
    );
  for (const table of tables) {
    expect(await columns(kept(table)), resync.output).toEqual(await columns(table));
    const cells = 'SELECT * APPLY toString FROM types.';
    const rows = await query(`${cells}${table} ORDER BY id`);
    expect(await query(`${cells}${kept(table)} ORDER BY id`)).toEqual(rows);
    expect(rows).toHaveLength(3 * rowsOf(TABLES[table] ?? []));
  }
});

test('names are kept, whatever they are', async () => {
  await client.query(
    `INSERT INTO "Select" VALUES (1, 2, 3, 4, 5, 6, 7); INSERT INTO other."Select" VALUES (8)`,
  );
  await expect
    .poll(() => query(`SELECT * FROM types."Select"`).catch(() => []), { timeout: 60_000 })
    .toEqual([[1, 2, 3, 4, 5, 6, 7]]);
  const names = await query<[string]>(
    "SELECT name FROM system.columns WHERE database = 'types' AND table = 'Select' ORDER BY position",
  );
  expect(names.flat()).toEqual(['id', ...NAMES]);
  await expect
    .poll(() => query('SELECT * FROM types.other__Select').catch(() => []), { timeout: 60_000 })
    .toEqual([[8]]);
});
