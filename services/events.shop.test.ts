import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createLogger } from '#runtime/log.ts';
import { localAddresses } from '../cli/local-environment.ts';
import { ShopStack } from '../cli/testing/shop-stack.ts';
import { loadLocalSettings } from '../local/settings.ts';
import { consumerLag } from '../pipeline/source/consumer-lag.ts';
import { createKafka } from '../pipeline/source/kafka-client.ts';

/*
 * What the services do by events, on the running shop: outbox, Debezium, Kafka, inbox.
 */

let shop: ShopStack;
beforeAll(async () => {
  shop = await ShopStack.start('events', 9_000, {
    seed: 11,
  });
});
afterAll(async () => shop.stop());

const DEADLINE = { timeout: 120_000, interval: 200 };
/** Orders, of which a comparison says little. */
const FEW = 10;

/** The read model as it should be, joined from the owners' own databases. */
async function expectedHistory(): Promise<Map<string, unknown>> {
  const users = await shop.query<{ id: string; name: string; email: string }>(
    'users',
    'SELECT id, name, email FROM users',
  );
  const payments = await shop.query<Record<string, string>>(
    'payments',
    `SELECT order_id, id::text, status::text, method::text, refunded_amount::text FROM payments
     WHERE status <> 'authorized'`,
  );
  const orders = await shop.query<Record<string, string>>(
    'orders',
    'SELECT id, user_id, total::text, status::text, version FROM orders',
  );
  return new Map(
    orders.map((order) => {
      const user = users.find(({ id }) => id === order['user_id']);
      const payment = payments.find(({ order_id }) => order_id === order['id']);
      const shown = {
        total: order['total'],
        status: order['status'],
        name: user?.name ?? null,
        email: user?.email ?? null,
        payment: payment?.['id'] ?? null,
        method: payment?.['method'] ?? null,
        payment_status: payment?.['status'] ?? null,
        refunded: payment?.['status'] === 'failed' ? null : (payment?.['refunded_amount'] ?? null),
      };
      return [order['id'] ?? '', shown] as const;
    }),
  );
}

async function history(): Promise<Map<string, unknown>> {
  const [serving] = await shop.query<{ number: number }>(
    'order-history',
    "SELECT number FROM generations WHERE state = 'serving'",
  );
  const rows = await shop.query<{ order_id: string; shown: unknown }>(
    'order-history',
    `SELECT order_id, json_build_object('total', total::text, 'status', status,
       'name', user_name, 'email', user_email, 'payment', payment_id, 'method', payment_method,
       'payment_status', payment_status, 'refunded', refunded_amount::text) AS shown
     FROM generation_${serving?.number}.orders WHERE placed_at IS NOT NULL`,
  );
  return new Map(rows.map(({ order_id: id, shown }) => [id, shown]));
}

/** Waits, with the customers still, until the read model is what the owners say. */
async function expectHistoryEqual(): Promise<void> {
  await shop.whileTrafficRests(expectEventsApplied);
}

async function expectEventsApplied(): Promise<void> {
  const differing = async () => {
    const [expected, found] = [await expectedHistory(), await history()];
    expect(expected.size).toBeGreaterThan(FEW);
    return [...new Set([...expected.keys(), ...found.keys()])]
      .map((id) => [expected.get(id), found.get(id)])
      .filter(([left, right]) => JSON.stringify(left) !== JSON.stringify(right));
  };
  try {
    await expect.poll(differing, DEADLINE).toEqual([]);
  } catch (error) {
    const first = JSON.stringify((await differing()).slice(0, 3));
    throw new Error(`read model and owners differ, ${first}; ${await whatIsBehind()}`, {
      cause: error,
    });
  }
}

/** What stands between an event and the read model, for the message of a failed test. */
async function whatIsBehind(): Promise<string> {
  const { KAFKA_BROKERS = '', CONNECT_URL = '' } = localAddresses(loadLocalSettings(shop.env));
  const log = createLogger('test', 'silent');
  const kafka = createKafka({ clientId: 'test', brokers: KAFKA_BROKERS.split(','), log });
  const generations = await shop.query<{ number: number; state: string }>(
    'order-history',
    `SELECT number, state::text FROM generations WHERE state <> 'retired'`,
  );
  const read = await Promise.all(
    generations.map(async ({ number, state }) => {
      const rejected = await shop.query(
        'order-history',
        `SELECT topic, reason FROM generation_${number}.rejected_events LIMIT 5`,
      );
      const lags = await consumerLag(kafka, `order-history-${number}`, (topic) =>
        topic.startsWith('events.'),
      );
      const behind = lags.map(({ topic, records }) => `${topic} ${records}`);
      return { number, state, rejected, behind };
    }),
  );
  const connectors = await fetch(`${CONNECT_URL}/connectors?expand=status`);
  return JSON.stringify({ read, connectors: await connectors.json() });
}

test('the read model is what the owners say, built from their events alone', async () => {
  while ((await expectedHistory()).size <= FEW) await shop.trafficGoesOn();
  await expectHistoryEqual();
});

test('every topic of events has the Avro schema that the document tells of', async () => {
  const document = await readFile(new URL('EVENTS.md', import.meta.url), 'utf8');
  const [introduction = '', ...sections] = document.split(/^## /m);
  const fields = [...introduction.matchAll(/^\| `(\w+)`/gm)].map(([, name]) => name);
  const documented = sections.map((section) => section.slice(0, section.indexOf('\n')));
  const subjects = `${shop.registryUrl}/subjects`;
  const published = ((await (await fetch(subjects)).json()) as string[]).filter((subject) =>
    /^events\..*-value$/.test(subject),
  );
  expect(documented).toEqual(
    expect.arrayContaining(published.map((subject) => subject.replace(/-value$/, ''))),
  );
  expect(published).toContain('events.users.UserRegistered-value');
  for (const subject of published) {
    const latest = await fetch(`${subjects}/${subject}/versions/latest`);
    const { schema } = (await latest.json()) as { schema: string };
    const record = JSON.parse(schema) as { type: string; fields: { name: string }[] };
    expect(record.type, subject).toBe('record');
    expect(
      record.fields.map(({ name }) => name),
      subject,
    ).toEqual(expect.arrayContaining(fields));
    expect(record.fields, subject).toHaveLength(fields.length);
  }
});

test('copies in orders follow users, also after a kill in the middle', async () => {
  const staleCopies = async () => {
    const users = await shop.query<{ id: string; name: string; email: string }>(
      'users',
      'SELECT id, name, email FROM users',
    );
    const orders = await shop.query<Record<string, string>>(
      'orders',
      'SELECT DISTINCT user_id, user_name, user_email FROM orders',
    );
    const byId = new Map(users.map((user) => [user.id, user]));
    return orders.filter(({ user_id: id = '', user_name: name, user_email: email }) => {
      const user = byId.get(id);
      return user !== undefined && (user.name !== name || user.email !== email);
    });
  };
  // Connect, killed, waits for what it left open: once is what it takes to see what comes after.
  for (const killed of ['service-orders', 'connect', 'service-orders']) {
    await shop.trafficGoesOn();
    await shop.stack.process(killed).kill();
    await shop.stack.process(killed).healthy();
  }
  await shop.trafficGoesOn();
  await shop.whileTrafficRests(async () => {
    await expect.poll(staleCopies, DEADLINE).toEqual([]);
    const rejected = await shop.query('orders', 'SELECT * FROM messaging.rejected_events');
    expect(rejected).toEqual([]);
  });
  await expectHistoryEqual();
});

test('the read model is built anew from nothing while the old one serves', async () => {
  const url = shop.serviceUrl('order-history');
  const page = async () => {
    const response = await fetch(`${url}/order-history?limit=20`);
    expect(response.status).toBe(200);
    return (await response.json()) as { items: unknown[]; complete_until: string | null };
  };
  const serving = async () => {
    const { items } = (await (await fetch(`${url}/generations`)).json()) as {
      items: { number: number; state: string }[];
    };
    return items.find(({ state }) => state === 'serving')?.number;
  };
  const before = await serving();
  const rebuilt = new AbortController();
  let smallest = Infinity;
  const readers = (async () => {
    while (!rebuilt.signal.aborted) {
      smallest = Math.min(smallest, (await page()).items.length);
      await delay(20);
    }
  })();
  expect((await fetch(`${url}/generations`, { method: 'POST' })).status).toBe(202);
  expect((await fetch(`${url}/generations`, { method: 'POST' })).status).toBe(409);
  await expect.poll(serving, DEADLINE).not.toBe(before);
  rebuilt.abort();
  await readers;
  expect(smallest).toBe(20);
  await expectHistoryEqual();
  const oldTables = async () =>
    shop.query('order-history', `SELECT FROM pg_namespace WHERE nspname = 'generation_${before}'`);
  await expect.poll(oldTables, DEADLINE).toEqual([]);
  // Fresh to the second, and it says so.
  const asked = Date.now();
  const completeUntil = async () => Date.parse((await page()).complete_until ?? '');
  await expect.poll(completeUntil, DEADLINE).toBeGreaterThan(asked);
});

test('a search finds orders by the beginnings of words, whoever they are about', async () => {
  // Customers rename themselves: only at rest has the read model the same names as their owner.
  await shop.whileTrafficRests(async () => {
    await expectEventsApplied();
    const buyers = await shop.query<{ user_id: string }>(
      'orders',
      'SELECT DISTINCT user_id FROM orders',
    );
    // Some have closed their account since.
    const [user] = await shop.query<{ id: string; name: string }>(
      'users',
      `SELECT id, name FROM users WHERE id IN (${buyers.map(({ user_id: id }) => `'${id}'`).join()})
       ORDER BY created_at LIMIT 1`,
    );
    const words = (user?.name ?? '').split(' ').map((word) => word.slice(0, 4).toUpperCase());
    const query = new URLSearchParams({ q: words.join(' '), limit: '200' }).toString();
    const response = await fetch(`${shop.serviceUrl('order-history')}/order-history?${query}`);
    expect(response.status).toBe(200);
    const { items } = (await response.json()) as {
      items: { user_id: string; user_name: string }[];
    };
    expect(items.map(({ user_id: id }) => id)).toContain(user?.id);
    for (const { user_name: name } of items) {
      for (const word of words) expect(name.toUpperCase()).toContain(word);
    }
  });
});

test('pages of what was searched are the whole of it, each order once, newest first', async () => {
  const cancelled = async () =>
    shop.query<{ id: string }>(
      'orders',
      `SELECT id FROM orders WHERE status = 'cancelled' ORDER BY placed_at DESC, id DESC`,
    );
  // More than a page of them.
  await expect.poll(async () => (await cancelled()).length, DEADLINE).toBeGreaterThan(3);
  await shop.whileTrafficRests(async () => {
    await expectEventsApplied();
    const paged = async (limit: number) => {
      const ids: string[] = [];
      for (let cursor: string | null = ''; cursor !== null;) {
        const words = { status: 'cancelled', limit: String(limit) };
        const query = new URLSearchParams(cursor === '' ? words : { ...words, cursor });
        const answer = await fetch(
          `${shop.serviceUrl('order-history')}/order-history?${query.toString()}`,
        );
        expect(answer.status).toBe(200);
        const page = (await answer.json()) as {
          items: { order_id: string }[];
          next_cursor: string | null;
        };
        ids.push(...page.items.map(({ order_id: id }) => id));
        cursor = page.next_cursor;
      }
      return ids;
    };
    expect(await paged(3)).toEqual((await cancelled()).map(({ id }) => id));
  });
});

test('the timeline of a saga can be read from the warehouse', async () => {
  const [saga] = await shop.query<{ id: string; order_id: string }>(
    'orders',
    `SELECT id, order_id FROM sagas WHERE state = 'compensated' ORDER BY created_at LIMIT 1`,
  );
  const timeline = async () => {
    const result = await shop.warehouse.query({
      query: `SELECT t.direction || ' ' || t.step || ' ' || t.state AS what
        FROM orders.sagas AS s JOIN orders.saga_steps AS t ON t.saga_id = s.id
        WHERE s.order_id = {order:UUID} ORDER BY t.started_at`,
      query_params: { order: saga?.order_id },
      format: 'JSONEachRow',
    });
    return (await result.json<{ what: string }>()).map(({ what }) => what);
  };
  await expect.poll(timeline, DEADLINE).toContain('do reserve done');
  expect((await timeline()).at(-1)).toBe('undo reserve done');
});
