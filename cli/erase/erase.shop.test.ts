import { randomUUID } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { EachMessagePayload, Kafka } from 'kafkajs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createLogger } from '#runtime/log.ts';
import { createKafka } from '../../pipeline/source/kafka-client.ts';
import { RunningCli } from '../testing/run-cli.ts';
import { ShopStack } from '../testing/shop-stack.ts';

/*
 * A person leaves traces wherever data goes, and asks to be forgotten while customers shop on.
 * Afterwards every byte of every place is searched for what was told of the person, without the
 * means of the command itself.
 */

const OFFSET = 5_000;
const DEADLINE_MS = 120_000;

/** Parts of what the person told, none of which anybody else can have told. */
const TRACES = ['Quatermain', 'quatermain', '0049-30-4711', 'Zulu Street', 'Umslopogaas'];

let shop: ShopStack;
let kafka: Kafka;
let product: string;

beforeAll(async () => {
  shop = await ShopStack.start('erase', OFFSET, {
    seed: 23,
  });
  kafka = createKafka({
    clientId: 'test',
    brokers: [`127.0.0.1:${19_092 + OFFSET}`],
    log: createLogger('test', 'silent'),
  });
  await shop.trafficGoesOn();
  const [some] = await shop.query<{ id: string }>(
    'catalog',
    `SELECT id FROM products WHERE status = 'published' ORDER BY id LIMIT 1`,
  );
  product = some?.id ?? '';
});

afterAll(async () => {
  await shop?.stop();
});

async function until(isSo: () => Promise<boolean>, what: string): Promise<void> {
  const deadline = Date.now() + DEADLINE_MS;
  while (!(await isSo())) {
    if (Date.now() > deadline) throw new Error(`waited too long for ${what}`);
    await delay(1_000);
  }
}

async function call(service: 'users' | 'orders', method: string, path: string, body: unknown) {
  const response = await fetch(`${shop.serviceUrl(service)}${path}`, {
    method,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  expect(response.status, `${method} ${path}`).toBeLessThan(300);
  return (await response.json()) as { id: string };
}

/** Somebody who signs up, moves, gets another name, and orders. */
async function person(first: string): Promise<string> {
  const { id } = await call('users', 'POST', '/users', {
    name: `${first} Umslopogaas`,
    email: `${first.toLowerCase()}@quatermain.example`,
    phone: '0049-30-4711',
    country: 'DE',
  });
  await call('users', 'PUT', `/users/${id}/addresses/home`, {
    recipient: `${first} Quatermain`,
    line1: '7 Zulu Street',
    line2: null,
    city: 'Durban',
    postcode: '4001',
    country: 'ZA',
  });
  await call('orders', 'POST', '/orders', {
    user_id: id,
    lines: [{ product_id: product, quantity: 1 }],
    note: `Ring at ${first} Quatermain's`,
    shipping_address: { line1: '7 Zulu Street' },
    payment: { method: 'card', details: {} },
  });
  await call('users', 'PATCH', `/users/${id}`, { name: `${first} Quatermain` });
  await until(async () => {
    const rows = await warehouseRows<{ n: number }>(
      `SELECT count() AS n FROM facts.orders FINAL WHERE buyer_name_now = '${first} Quatermain'`,
      // Facts are made when the tables are there.
    ).catch(() => []);
    return rows[0]?.n === 1;
  }, 'the order in the warehouse');
  return id;
}

async function warehouseRows<T>(query: string): Promise<T[]> {
  return (await shop.warehouse.query({ query, format: 'JSONEachRow' })).json<T>();
}

async function cli(...args: string[]): Promise<{ code: number | null; output: string }> {
  const running = new RunningCli(args, shop.env);
  const code = await running.exit();
  return { code, output: running.output };
}

/** Places in the services' databases that hold a trace. */
async function tracesAtServices(): Promise<string[]> {
  const found: string[] = [];
  const likes = (text: string) => TRACES.map((trace) => `${text} LIKE '%${trace}%'`).join(' OR ');
  for (const service of [
    'users',
    'catalog',
    'inventory',
    'orders',
    'payments',
    'order-history',
  ] as const) {
    const tables = await shop.query<{ name: string }>(
      service,
      `SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables
       WHERE schemaname NOT IN ('pg_catalog', 'information_schema')`,
    );
    for (const { name } of tables) {
      const [row] = await shop.query<{ n: string }>(
        service,
        `SELECT count(*) AS n FROM ${name} AS t WHERE ${likes('t::text')}`,
      );
      if (row?.n !== '0') found.push(`${service} ${name}`);
    }
  }
  return found;
}

/** Places in the warehouse that hold a trace, also under a NULL. */
async function tracesInWarehouse(): Promise<string[]> {
  const tables = await warehouseRows<{ name: string; columns: string[] }>(
    `SELECT concat(t.database, '.', t.name) AS name, groupArray(c.name) AS columns
     FROM system.tables AS t JOIN system.columns AS c ON c.database = t.database AND c.table = t.name
     WHERE t.database NOT IN ('system', 'information_schema', 'INFORMATION_SCHEMA') AND t.engine LIKE '%MergeTree'
     GROUP BY name`,
  );
  const found: string[] = [];
  for (const { name, columns } of tables) {
    const row =
      name === 'ops.dead_letters'
        ? 'concat(base64Decode(key_bytes), base64Decode(value_bytes), toString(headers), reason)'
        : `toString(tuple(${columns.map((column) => `assumeNotNull(\`${column}\`)`).join(', ')}))`;
    const [hit] = await warehouseRows<{ n: number }>(
      `SELECT count() AS n FROM ${name} WHERE multiSearchAny(${row}, [${TRACES.map((trace) => `'${trace}'`).join(', ')}])`,
    );
    if (hit?.n !== 0) found.push(name);
  }
  return found;
}

/** Topics with a record that holds a trace, up to the end that they have now. */
async function tracesInTopics(): Promise<string[]> {
  const admin = kafka.admin();
  const groupId = `test-${randomUUID()}`;
  const consumer = kafka.consumer({ groupId, maxWaitTimeInMs: 100 });
  await admin.connect();
  await consumer.connect();
  const found = new Set<string>();
  try {
    const topics = (await admin.listTopics()).filter((topic) =>
      /^(users|orders|payments|inventory|catalog|events|tributary)\./.test(topic),
    );
    const unread = new Map<string, bigint>();
    for (const topic of topics) {
      for (const { partition, low, high } of await admin.fetchTopicOffsets(topic)) {
        if (low !== high) unread.set(`${topic}/${partition}`, BigInt(high) - 1n);
      }
    }
    await consumer.subscribe({ topics, fromBeginning: true });
    await new Promise<void>((resolve, reject) => {
      // Tells of batches that hold nothing but a transaction's end, too.
      consumer.on('consumer.end_batch_process', ({ payload }) => {
        const place = `${payload.topic}/${payload.partition}`;
        if (BigInt(payload.lastOffset) >= (unread.get(place) ?? 0n)) unread.delete(place);
        if (unread.size === 0) resolve();
      });
      consumer.on('consumer.crash', ({ payload }) => reject(payload.error));
      const eachMessage = async ({ topic, message: { key, value } }: EachMessagePayload) => {
        const bytes = `${key?.toString('latin1')} ${value?.toString('latin1')}`;
        if (TRACES.some((trace) => bytes.includes(trace))) found.add(topic);
      };
      consumer.run({ autoCommit: false, eachMessage }).catch(reject);
    });
    return [...found].sort();
  } finally {
    await consumer.disconnect();
    await admin.deleteGroups([groupId]).catch(() => undefined);
    await admin.disconnect();
  }
}

test('somebody is forgotten everywhere, and nobody else is', async () => {
  const id = await person('Allan');
  // A record that cannot be applied, with what the person told in it.
  const producer = kafka.producer();
  await producer.connect();
  await producer.send({
    topic: 'users.public.users',
    messages: [
      {
        key: 'Allan Quatermain',
        value: Buffer.concat([Buffer.from([0, 9, 9, 9, 9]), Buffer.from('Allan Quatermain')]),
      },
    ],
  });
  await producer.disconnect();
  await until(
    async () => (await tracesInWarehouse()).includes('ops.dead_letters'),
    'the dead letter',
  );

  const told = await cli('erase', 'users', id);
  expect([told.code, told.output]).toEqual([0, expect.stringContaining('Nothing was changed.')]);
  expect(told.output).toMatch(/^users\.users +1 +\d+ +2 +whole rows$/m);
  expect(told.output).toMatch(/^1 dead letter$/m);
  expect(told.output).not.toMatch(new RegExp(TRACES.join('|')));
  // What the search finds at first is what it has to miss later.
  expect((await tracesAtServices()).length).toBeGreaterThan(5);
  expect((await tracesInWarehouse()).length).toBeGreaterThan(5);
  expect((await tracesInTopics()).length).toBeGreaterThan(5);

  const erased = await cli('erase', 'users', id, '--yes');
  expect([erased.code, erased.output]).toEqual([0, expect.stringMatching(/^erased$/m)]);
  expect(erased.output).not.toMatch(new RegExp(TRACES.join('|')));

  expect(await tracesAtServices()).toEqual([]);
  expect(await tracesInWarehouse()).toEqual([]);
  expect(await tracesInTopics()).toEqual([]);
  expect(
    await warehouseRows(
      `SELECT subject_key, is_complete, letters, left FROM ops.erasures ORDER BY erased_at`,
    ),
  ).toEqual([{ subject_key: id, is_complete: true, letters: 1, left: [] }]);

  // The books are whole: the order and its money are there, without a name.
  const orders = await warehouseRows<{ user_name: string; paid: number }>(
    `SELECT user_name, total > 0 AS paid FROM orders.orders WHERE toString(user_id) = '${id}'`,
  );
  expect(orders).toEqual([{ user_name: '', paid: 1 }]);
  await shop.trafficGoesOn();
  const compared = await shop.whileTrafficRests(async () => shop.compare());
  expect(compared.filter((table) => 'problem' in table || table.differences.length > 0)).toEqual(
    [],
  );
});

test('what the catalog does not name is found, and a service that does not do it stops it', async () => {
  const id = await person('Good');
  const catalog = await readFile('tributary.yaml', 'utf8');
  const config = join(tmpdir(), `tributary-erase-${process.pid}.yaml`);
  await writeFile(config, catalog.replace('user_email, note, shipping_address', 'user_email'));
  const partly = await cli('erase', 'users', id, '--yes', '--config', config);
  expect(partly.code).toBe(1);
  expect(partly.output).toMatch(/changes\.orders__orders\.note: \d row/);
  expect(partly.output).toContain('not all is erased');
  // Nobody has to begin from the start.
  const rest = await cli('erase', 'users', id, '--yes');
  expect([rest.code, rest.output]).toEqual([0, expect.stringMatching(/^erased$/m)]);
  expect(await tracesInWarehouse()).toEqual([]);

  const other = await person('Henry');
  await shop.stack.process('service-orders').stop();
  const refused = await cli('erase', 'users', other, '--yes', '--deadline', '5');
  expect(refused.code).toBe(1);
  expect(refused.output).toContain('orders.buyers: the service still has 1 row');
  await shop.stack.process('service-orders').start();
  const done = await cli('erase', 'users', other, '--yes');
  expect([done.code, done.output]).toEqual([0, expect.stringMatching(/^erased$/m)]);
});
