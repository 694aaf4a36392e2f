import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseEvent } from '#events/domain-event.ts';
import { eventTopic } from '#events/event-topic.ts';
import { applyOnce } from '#events/inbox.ts';
import { Secret } from '#runtime/config.ts';
import { createLogger } from '#runtime/log.ts';
import { openDatabase, type Database } from '#runtime/service/database.ts';
import { applyMigrations } from '#runtime/service/migrations.ts';
import { startPostgres, type PostgresServer } from '../../pipeline/testing/postgres-server.ts';
import { orderHistoryService } from './app.ts';
import { Generations, schemaOf } from './generations.ts';
import { listHistory, searchQuery } from './history-repository.ts';
import { projection } from './projection.ts';

const log = createLogger('test', 'silent');
let server: PostgresServer;
let database: Database;
beforeAll(async () => {
  server = await startPostgres();
  const url = new Secret((await server.createDatabase('order_history')).url);
  const { migrations: folder } = orderHistoryService();
  await applyMigrations({ url, folder, log, signal: new AbortController().signal });
  database = openDatabase({ url, applicationName: 'test', log });
});
afterAll(async () => {
  await database.close();
  await server[Symbol.asyncDispose]();
});

interface Sent {
  readonly service: string;
  readonly type: string;
  readonly id: string;
  readonly payload: Record<string, unknown>;
}

/** The life of two users and three orders, in the order in which it happened. */
function life(): Sent[] {
  const [ada, bob] = [randomUUID(), randomUUID()];
  const [first, second, third] = [randomUUID(), randomUUID(), randomUUID()];
  const send = (service: string, type: string, payload: Record<string, unknown>): Sent => ({
    service,
    type,
    id: randomUUID(),
    payload,
  });
  const registered = (user_id: string, name: string) =>
    send('users', 'UserRegistered', { user_id, version: 1, name, email: `${name}@example.org` });
  const placed = (order_id: string, user_id: string) =>
    send('orders', 'OrderPlaced', {
      order_id,
      version: 1,
      status: 'pending',
      order_number: '1000001',
      user_id,
      currency: 'EUR',
      total: '19.90',
      placed_at: '2026-01-01T00:00:00.000001Z',
      lines: [{ product_name: 'Oak chair' }],
    });
  const moved = (order_id: string, version: number, status: string, reason: string | null) =>
    send('orders', 'OrderStatusChanged', {
      order_id,
      version,
      status,
      reason,
      changed_at: '2026-01-02T00:00:00Z',
    });
  const money = (type: string, order_id: string, version: number, rest: object) =>
    send('payments', type, { order_id, payment_id: '7', version, ...rest });
  return [
    registered(ada, 'ada'),
    registered(bob, 'bob'),
    placed(first, ada),
    money('PaymentCaptured', first, 2, { method: 'card' }),
    moved(first, 2, 'paid', null),
    send('users', 'UserNameChanged', { user_id: ada, version: 2, name: 'Ádám Čapek' }),
    placed(second, ada),
    money('PaymentFailed', second, 2, { method: 'wallet' }),
    moved(second, 2, 'cancelled', 'the payment was declined'),
    moved(first, 3, 'shipped', null),
    send('users', 'UserEmailChanged', { user_id: ada, version: 3, email: 'capek@example.org' }),
    placed(third, bob),
    money('PaymentRefunded', first, 3, { refunded_amount: '1.00', in_full: false }),
    money('PaymentRefunded', first, 4, { refunded_amount: '19.90', in_full: true }),
    moved(first, 4, 'refunded', null),
    send('users', 'UserDeleted', { user_id: bob, version: 2 }),
  ];
}

/** Applies events to a generation of their own; resolves with its tables. */
async function build(events: readonly Sent[]): Promise<{ number: number; tables: unknown }> {
  const generations = new Generations(database);
  const { number } = await generations.rebuild();
  await generations.promote(number);
  const schema = schemaOf(number);
  const subscriptions = projection(schema);
  for (const { service, type, id, payload } of events) {
    const topic = eventTopic(service, type);
    const subscription = subscriptions.find((each) => each.topic === topic);
    if (subscription === undefined) throw new Error(`nobody reads ${topic}`);
    const event = parseEvent(
      {
        event_id: id,
        event_type: type,
        aggregate_id: '',
        occurred_at: '',
        payload: JSON.stringify(payload),
      },
      subscription.payload,
    );
    await applyOnce(database, `${schema}.inbox`, event, async (transaction) =>
      subscription.apply(event, transaction),
    );
  }
  const tables = {
    orders: await database.query(`SELECT * FROM ${schema}.orders ORDER BY order_id`),
    users: await database.query(`SELECT * FROM ${schema}.users ORDER BY user_id`),
  };
  return { number, tables };
}

test('the same events make the same read model, in any order and however often they come', async () => {
  const events = life();
  const { tables: expected } = await build(events);
  await fc.assert(
    fc.asyncProperty(
      fc.shuffledSubarray([...events, ...events], { minLength: events.length * 2 }),
      async (delivered) => {
        expect((await build(delivered)).tables).toEqual(expected);
      },
    ),
    { numRuns: 60 },
  );
});

test('shows the newest of everything, and finds it by the beginnings of words', async () => {
  const { number } = await build(life());
  const find = async (text: string) => {
    const search = searchQuery(text);
    const filter = { userId: undefined, status: undefined, search };
    const rows = await listHistory(database, number, filter, null, null, 10);
    return rows.map(({ user_name: name, status }) => `${name}: ${status}`).sort();
  };
  const ada = ['Ádám Čapek: cancelled', 'Ádám Čapek: refunded'];
  expect(await find('čap ÁDÁM')).toEqual(ada);
  expect(await find('capek@example.org')).toEqual(ada);
  expect(await find('oak')).toEqual(['null: pending', ...ada]);
  expect(await find('1000001 bob')).toEqual([]);
  expect(await find("'); DROP TABLE orders; --")).toEqual([]);
});

test('does not show an order of which only later events have come', async () => {
  const { number } = await build(life().filter(({ type }) => type !== 'OrderPlaced'));
  const filter = { userId: undefined, status: undefined, search: undefined };
  expect(await listHistory(database, number, filter, null, null, 10)).toEqual([]);
});

test('promotes a generation once, however many processes see it complete', async () => {
  const generations = new Generations(database);
  for (let round = 0; round < 5; round += 1) {
    const { number } = await generations.rebuild();
    await Promise.all(Array.from({ length: 4 }, async () => generations.promote(number)));
    expect(await generations.serving()).toMatchObject({ number });
  }
});
