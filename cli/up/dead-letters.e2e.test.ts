import { createHmac, randomUUID } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Kafka, KafkaMessage } from 'kafkajs';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createLogger } from '#runtime/log.ts';
import { loadLocalSettings, portOf } from '../../local/settings.ts';
import type { Warehouse } from '../../pipeline/sink/clickhouse-client.ts';
import { createKafka } from '../../pipeline/source/kafka-client.ts';
import { DEAD_LETTER_TOPIC } from '../../pipeline/source/kafka-dead-letters.ts';
import { startPostgres, type PostgresServer } from '../../pipeline/testing/postgres-server.ts';
import { RunningCli, testPlace, type TestPlace } from '../testing/run-cli.ts';
import { connectLocalWarehouse } from '../local-environment.ts';

/*
 * Records that can never be applied, among good ones, in the running system; and a connector whose
 * task fails.
 */

const ITEMS = 'erp.public.items';
const NOTES = 'erp.public.notes';
/** In a value of every bad row: must be in no log and no message. */
const PRIVATE = 'PRIVATE-4711';
const MASK_KEY = 'a key of which nobody knows';

let server: PostgresServer;
let database: pg.Pool;
let here: TestPlace;
let env: NodeJS.ProcessEnv;
let cli: RunningCli;
let kafka: Kafka;
let warehouse: Warehouse;
let registryUrl: string;
let metricsUrl: string;

beforeAll(async () => {
  server = await startPostgres({ dedicated: true, walLevel: 'logical' });
  const { adminUrl } = await server.createDatabase('erp');
  database = new pg.Pool({ connectionString: adminUrl });
  // One of the tests ends connections at the server.
  database.on('error', () => undefined);
  await database.query(`
    CREATE TABLE items (id bigint PRIMARY KEY, name text, at timestamp);
    CREATE TABLE notes (id bigint PRIMARY KEY, text text);
    INSERT INTO notes VALUES (1, 'note');
    CREATE TABLE people (
      email text PRIMARY KEY, name text, born date, vip bool, balance numeric(10,2), at timestamp, secret text);
    INSERT INTO people VALUES
      ('ann@x', 'Ann ${PRIVATE}', '1980-02-29', true, 1.50, '2024-01-01', '${PRIVATE}'),
      (E'tab\\tand\\\\\\n', NULL, NULL, NULL, NULL, NULL, NULL);`);
  here = await testPlace('dead-letters', 8_000);
  const config = join(here.stateDir, 'letters.yaml');
  writeFileSync(
    config,
    `sources:
  - name: erp
    url: \${ERP_URL}
    tables: [public.*]
    mask:
      public.people.born: keep
      public.people.at: keep
      public.people.secret: drop
      public.people.name: redact
      public.people.*: hash
`,
  );
  env = { ...here.env, ERP_URL: adminUrl, TRIBUTARY_MASK_KEY: MASK_KEY, TRIBUTARY_CONFIG: config };
  cli = new RunningCli(['up', '--config', config, '--no-services'], env);
  const settings = loadLocalSettings(here.env);
  const at = (name: Parameters<typeof portOf>[1]) => `127.0.0.1:${portOf(settings, name)}`;
  registryUrl = `http://${at('registry')}/apis/ccompat/v7`;
  metricsUrl = `http://${at('transformer')}/metrics`;
  warehouse = connectLocalWarehouse(settings, 'test');
  kafka = createKafka({
    clientId: 'test',
    brokers: [at('kafka')],
    log: createLogger('test', 'silent'),
  });
  await cli.says('ready after');
});

afterAll(async () => {
  cli.child.kill('SIGTERM');
  await cli.exit();
  await warehouse.close();
  await database.end();
  await server[Symbol.asyncDispose]();
});

/** Waits until something is so. @throws Error with what it is instead, after a minute */
async function until<T>(read: () => Promise<T>, isSo: (value: T) => boolean): Promise<T> {
  const deadline = Date.now() + 60_000;
  for (;;) {
    const value = await read();
    if (isSo(value)) return value;
    if (Date.now() > deadline) throw new Error(`still ${JSON.stringify(value)}`);
    await delay(100);
  }
}

async function items(): Promise<Record<string, string>> {
  const result = await warehouse.query({
    query: 'SELECT toString(id) AS id, name FROM erp.items',
    format: 'JSONEachRow',
  });
  const rows = await result.json<{ id: string; name: string }>().catch(() => []);
  return Object.fromEntries(rows.map(({ id, name }) => [id, name]));
}

/** Whether the warehouse shows a row; the table may not be there yet. */
const arrives = (id: number, name: string) =>
  until(
    () => items().catch((): Record<string, string> => ({})),
    (rows) => rows[id] === name,
  );

interface Letter {
  readonly place: string;
  readonly state: string;
  readonly code: string;
  readonly replayOf: string | null;
  readonly letterOffset: string;
  readonly headers: Record<string, string>;
}

async function letters(...args: string[]): Promise<Letter[]> {
  const { output, code } = await command('list', '--json', ...args);
  expect(code, output).toBe(0);
  const rows = JSON.parse(output) as (Letter & {
    topic: string;
    partition: number;
    offset: string;
  })[];
  return rows.map((row) => ({ ...row, place: `${row.topic}/${row.partition}/${row.offset}` }));
}

async function command(...args: string[]): Promise<{ output: string; code: number | null }> {
  const run = new RunningCli(['dead-letters', ...args], env);
  const code = await run.exit();
  return { output: run.output, code };
}

async function produce(
  topic: string,
  messages: { key?: Buffer | null; value: Buffer; headers?: Record<string, string> }[],
): Promise<void> {
  const producer = kafka.producer();
  await producer.connect();
  await producer.send({ topic, messages: messages.map((m) => ({ partition: 0, ...m })) });
  await producer.disconnect();
}

/** The first `count` records of a topic. */
async function recordsOf(topic: string, count: number): Promise<KafkaMessage[]> {
  const consumer = kafka.consumer({ groupId: randomUUID(), maxWaitTimeInMs: 100 });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  const records: KafkaMessage[] = [];
  await new Promise<void>((resolve, reject) => {
    consumer
      .run({
        eachMessage: async ({ message }) => {
          records.push(message);
          if (records.length === count) resolve();
        },
      })
      .catch(reject);
  });
  await consumer.disconnect();
  return records.slice(0, count);
}

/** An id that the registry will give to the next schema. */
async function nextSchemaId(): Promise<number> {
  for (let id = 1; ; id += 1) {
    const { status } = await fetch(`${registryUrl}/schemas/ids/${id}`);
    if (status === 404) return id;
  }
}

/** Registers a copy of the schema of a record that differs in a property without meaning. */
async function registerCopy(record: Buffer): Promise<number> {
  const id = record.readUInt32BE(1);
  const { schema } = (await (await fetch(`${registryUrl}/schemas/ids/${id}`)).json()) as {
    schema: string;
  };
  const copy = JSON.stringify({ ...(JSON.parse(schema) as object), doc: 'a copy' });
  const response = await fetch(`${registryUrl}/subjects/copy/versions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ schema: copy }),
  });
  return ((await response.json()) as { id: number }).id;
}

/** The same record with another schema id and, of its insert, another row id below 64. */
function altered(record: Buffer, schemaId: number, rowId: number): Buffer {
  const copy = Buffer.from(record);
  copy.writeUInt32BE(schemaId, 1);
  // No row before (00), a row after (02), and its first column as a zigzag varint.
  expect(copy.subarray(5, 8).toString('hex')).toBe('000202');
  copy[7] = rowId * 2;
  return copy;
}

let unknownId: number;
let insertOfOne: KafkaMessage;

test('each kind of bad record is set aside with bytes, headers and reason, and the good ones around it arrive', async () => {
  // One transaction: both changes have the same commit position.
  await database.query(
    "INSERT INTO items VALUES (1, 'first', now()); UPDATE items SET name = 'second' WHERE id = 1",
  );
  await arrives(1, 'second');
  const [first, second] = await recordsOf(ITEMS, 2);
  if (!first?.value || !second?.value) throw new Error('no record');
  insertOfOne = first;
  unknownId = await nextSchemaId();

  const bad = [
    Buffer.from(`not Avro: ${PRIVATE}`),
    first.value.subarray(0, 30),
    // Of a row that is only here, and of one that the next record of the same transaction changes.
    altered(first.value, unknownId, 5),
    altered(first.value, unknownId, 1),
  ];
  const keyOfFive = Buffer.from(first.key ?? []);
  keyOfFive[5] = 5 * 2;
  await produce(ITEMS, [
    ...bad.map((value, index) => ({
      key: index === 2 ? keyOfFive : first.key,
      value,
      headers: { trace: `t${index}` },
    })),
    { key: second.key, value: second.value },
  ]);
  await database.query(`INSERT INTO items VALUES (2, '${PRIVATE}', '2500-01-01')`);
  await database.query(`INSERT INTO items VALUES (3, repeat('${PRIVATE}', 1500000), now())`);
  await database.query("INSERT INTO items VALUES (4, 'after', now())");
  await arrives(4, 'after');
  expect(Object.keys(await items()).sort()).toEqual(['1', '4']);

  const open = await letters();
  expect(open.map(({ code }) => code)).toEqual([
    'RECORD_MALFORMED',
    'RECORD_MALFORMED',
    'SCHEMA_UNKNOWN',
    'SCHEMA_UNKNOWN',
    'VALUE_REJECTED',
    'RECORD_TOO_LARGE',
  ]);
  expect(open.map(({ headers }) => headers['trace'])).toEqual([
    't0',
    't1',
    't2',
    't3',
    undefined,
    undefined,
  ]);
  const kept = await recordsOf(DEAD_LETTER_TOPIC, 6);
  expect(kept.slice(0, 4).map(({ value }) => value)).toEqual(bad);
  expect(kept[0]?.headers?.['tributary.dead-letter.key']).toEqual(first.key);
  expect(kept[0]?.headers?.['trace']?.toString()).toBe('t0');
  expect(kept[0]?.headers?.['tributary.dead-letter.code']?.toString()).toBe('RECORD_MALFORMED');

  const shown = await command('show', open[0]?.place ?? '');
  expect(shown.output).toContain(`${bad[0]?.length} bytes`);
  expect(shown.output).toContain('trace: t0');
  expect(shown.output).not.toContain(bad[0]?.toString('hex'));
  const whole = await command('show', open[0]?.place ?? '', '--bytes');
  expect(whole.output).toContain(bad[0]?.toString('hex'));
  const said = [
    shown.output,
    (await command('list')).output,
    cli.output,
    readFileSync(join(here.stateDir, 'logs', 'transformer.log'), 'utf8'),
  ];
  for (const text of said) expect(text).not.toContain(PRIVATE);
});

test('after the cause is mended a replay stores what is new, beats nothing newer, and a record that fails again refers to its first letter', async () => {
  expect(await registerCopy(insertOfOne.value ?? Buffer.alloc(0))).toBe(unknownId);
  const replayed = await command('replay', '--code', 'SCHEMA_UNKNOWN');
  expect(replayed.code, replayed.output).toBe(0);
  expect(replayed.output).toContain('2 letters replayed');
  expect(await arrives(5, 'first')).toMatchObject({ 1: 'second', 4: 'after' });
  const logged = async () => {
    const result = await warehouse.query({
      query:
        "SELECT name FROM changes.erp__items WHERE id = 1 AND _op = 'insert' ORDER BY _version",
      format: 'JSONEachRow',
    });
    return result.json<{ name: string }>();
  };
  // Both are stored: the old change is in the log, and lost against the newer one.
  await until(logged, (rows) => rows.length === 2);
  expect((await items())['1']).toBe('second');
  expect(await letters('--code', 'SCHEMA_UNKNOWN')).toEqual([]);
  expect((await letters('--state', 'replayed')).map(({ code }) => code)).toEqual([
    'SCHEMA_UNKNOWN',
    'SCHEMA_UNKNOWN',
  ]);

  const [again] = await letters('--code', 'RECORD_MALFORMED');
  await command('replay', again?.place ?? '');
  const malformed = await until(
    () => letters('--code', 'RECORD_MALFORMED'),
    (list) => list.some(({ replayOf }) => replayOf !== null),
  );
  expect(malformed.map(({ replayOf }) => replayOf)).toEqual([null, again?.place.split('/')[2]]);
  // Dealt with already, or without a value to send: neither is sent, and it says so.
  expect((await command('replay', again?.place ?? '')).output).toContain('not open but replayed');
  expect((await command('replay', '--code', 'RECORD_TOO_LARGE')).output).toContain('1 letter not');
  expect((await command('discard', '--topic', ITEMS)).output).toContain('4 letters discarded');
  expect(await letters()).toEqual([]);
});

test('masked columns are masked however a row comes, and a record that fails leaves nothing behind', async () => {
  const hash = (text: string) => createHmac('sha256', MASK_KEY).update(text).digest('hex');
  const people = async () => {
    const result = await warehouse.query({
      query: 'SELECT * EXCEPT (at) FROM erp.people ORDER BY isNull(name), balance',
      format: 'JSONEachRow',
    });
    return result.json<Record<string, unknown>>();
  };
  const ann = {
    email: hash('ann@x'),
    name: '***',
    born: '1980-02-29',
    vip: hash('true'),
    balance: hash('1.50'),
  };
  const nobody = { email: hash('tab\tand\\\n'), name: null, born: null, vip: null, balance: null };
  const bob = { ...nobody, email: hash('bob@x'), name: '***', balance: hash('2.00') };
  await database.query(
    `INSERT INTO people (email, name, balance) VALUES ('bob@x', '${PRIVATE}', 2)`,
  );
  const sorted = [ann, bob].sort((a, b) => (a.balance < b.balance ? -1 : 1));
  expect(await until(people, (rows) => rows.length === 3)).toEqual([...sorted, nobody]);

  // What a copy brings is what the stream has brought.
  const resync = new RunningCli(['resync', '--json', 'erp.people'], env);
  expect(await resync.exit(), resync.output).toBe(0);
  expect(resync.output).toMatch(/"read": 3,\s+"written": 0,\s+"removed": 0/);
  await warehouse.command({
    query:
      "INSERT INTO current.erp__people SELECT * REPLACE ('wrong' AS vip, _version + 1 AS _version) FROM current.erp__people",
  });
  const again = new RunningCli(['resync', '--json', 'erp.people'], env);
  expect(await again.exit(), again.output).toBe(0);
  expect(await people()).toEqual([...sorted, nobody]);
  const verified = new RunningCli(['verify', 'erp.people'], env);
  expect(await verified.exit(), verified.output).toBe(0);
  expect(verified.output).toMatch(/erp\.people +3 +3 +equal/);

  await database.query(
    `INSERT INTO people (email, name, at) VALUES ('${PRIVATE}', '${PRIVATE}', '2500-01-01')`,
  );
  const [letter] = await until(
    () => letters('--topic', 'erp.public.people'),
    (list) => list.length === 1,
  );
  const place = letter?.place ?? '';
  const shown = await command('show', place, '--bytes');
  expect(shown.output).toContain('withheld');
  // What came before is stored, so that nothing but this record can be behind what is found.
  const stored = await warehouse.query({
    query: `SELECT count() AS n FROM ops.dead_letters
            WHERE topic = 'erp.public.people' AND (value_bytes || key_bytes || reason) != '' AND
              position(base64Decode(value_bytes) || base64Decode(key_bytes) || reason, '${PRIVATE}') > 0`,
    format: 'JSONEachRow',
  });
  expect(await stored.json()).toEqual([{ n: 0 }]);
  const all = await recordsOf(DEAD_LETTER_TOPIC, Number(letter?.letterOffset) + 1);
  const kept = all.at(-1);
  expect([kept?.headers?.['tributary.dead-letter.key'], kept?.value]).toEqual([undefined, null]);

  // The record itself is where it was: a replay finds it there, and it fails as before.
  expect((await command('replay', place)).output).toContain('1 letter replayed');
  const [, second] = await until(
    () => letters('--topic', 'erp.public.people', '--state', 'all'),
    (list) => list.length === 2,
  );
  expect(second).toMatchObject({ code: 'VALUE_REJECTED', replayOf: place.split('/')[2] });
});

test('a flood halts its table and no other', async () => {
  await produce(
    NOTES,
    Array.from({ length: 150 }, () => ({ value: Buffer.from('no') })),
  );
  const halted = async () =>
    (await (await fetch(metricsUrl)).text())
      .split('\n')
      .filter((line) => /^tributary_(halted_tables|dead_letters_total)\{.*notes/.test(line));
  const lines = await until(halted, (seen) => seen.length === 2);
  expect(lines.sort()).toEqual([
    `tributary_dead_letters_total{topic="${NOTES}",code="RECORD_MALFORMED"} 100`,
    `tributary_halted_tables{topic="${NOTES}"} 1`,
  ]);
  const log = readFileSync(join(here.stateDir, 'logs', 'transformer.log'), 'utf8');
  expect(log).toContain('[DEAD_LETTER_FLOOD]');
  await database.query("INSERT INTO items VALUES (6, 'flows on', now())");
  await arrives(6, 'flows on');
});

test('a connector task that failed is restarted until it runs, and it is told', async () => {
  await database.query('DROP PUBLICATION tributary_erp');
  await database.query(
    "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = 'tributary_erp'",
  );
  await cli.says('! tributary-erp: its task failed and was restarted (attempt 1');
  await database.query('CREATE PUBLICATION tributary_erp FOR TABLE items, notes');
  await cli.says('tributary-erp: runs again');
  await database.query("INSERT INTO items VALUES (7, 'back', now())");
  expect(await arrives(7, 'back')).toMatchObject({ 6: 'flows on' });
});
