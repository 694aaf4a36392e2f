import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { pruneOnce } from '#events/prune-messages.ts';
import { Secret } from '#runtime/config.ts';
import { createLogger } from '#runtime/log.ts';
import { openDatabase } from '#runtime/service/database.ts';
import { startPostgres, type PostgresServer } from '../../pipeline/testing/postgres-server.ts';
import { readAll, runForTest, type TestService } from '../testing/service-harness.ts';
import { usersService } from './app.ts';

let server: PostgresServer;
let users: TestService;
let databaseUrl: string;
beforeAll(async () => {
  server = await startPostgres();
  databaseUrl = (await server.createDatabase('users')).url;
  users = await runForTest(usersService, databaseUrl, { emailColumn: 'email' });
});
afterAll(async () => {
  await users[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

const person = (name = 'Ada Lind') => ({
  name,
  email: `${randomUUID()}@example.org`,
  country: 'SE',
});

test('gives values back exactly as they were stored', async () => {
  const id = String((await users.must('POST', '/users', person()))['id']);
  const change = {
    name: "Zoë O'Neill \u{1f600}",
    phone: null,
    birth_date: '1924-02-29',
    loyalty_points: '9007199254740993',
    marketing_consent: false,
    preferences: { theme: 'dark', nested: [{ a: null }, ''] },
    tags: ['', 'with "quotes", commas', 'NULL'].filter((tag) => tag !== ''),
  };
  await users.must('PATCH', `/users/${id}`, change);
  const stored = await users.must('GET', `/users/${id}`);
  expect(stored).toMatchObject({ ...change, version: 2, last_login_at: null, login_count: '0' });
  expect(await users.must('POST', `/users/${id}/logins`)).toMatchObject({ login_count: '1' });
});

test('keeps everything of a person in one region, for good', async () => {
  const id = String((await users.must('POST', '/users', { ...person(), region: 'us' }))['id']);
  expect(await users.must('GET', `/users/${id}`)).toMatchObject({ region: 'us' });
  const home = { recipient: 'Ada', line1: '1', city: 'Reno', postcode: '1', country: 'US' };
  expect(await users.must('PUT', `/users/${id}/addresses/home`, home)).toMatchObject({
    region: 'us',
  });
  expect((await users.call('PATCH', `/users/${id}`, { region: 'eu' })).status).toBe(400);
});

test('shows a timestamp to the microsecond and in UTC', async () => {
  const id = String((await users.must('POST', '/users', person()))['id']);
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  await client.query(
    `UPDATE users SET last_login_at = '1969-12-31 23:04:05.123457+02' WHERE id = $1`,
    [id],
  );
  await client.end();
  expect(await users.must('GET', `/users/${id}`)).toMatchObject({
    last_login_at: '1969-12-31T21:04:05.123457Z',
  });
});

test('sees two spellings of an email address as one', async () => {
  const user = person();
  await users.must('POST', '/users', user);
  const answer = await users.call('POST', '/users', { ...user, email: user.email.toUpperCase() });
  expect(answer).toMatchObject({ status: 409, body: { type: 'urn:tributary:problem:conflict' } });
});

test('lets one of two changes of the same version win', async () => {
  const created = await users.call('POST', '/users', person());
  expect(created.headers.get('etag')).toBe('"1"');
  const path = `/users/${String(created.body['id'])}`;
  const answers = await Promise.all(
    ['Left', 'Right'].map(async (name) =>
      users.call('PATCH', path, { name }, { 'if-match': '"1"' }),
    ),
  );
  expect(answers.map((answer) => answer.status).sort((a, b) => a - b)).toEqual([200, 412]);
  const winner = answers.find((answer) => answer.status === 200);
  expect(await users.must('GET', path)).toMatchObject({
    name: winner?.body['name'],
    version: 2,
  });
  const loser = answers.find((answer) => answer.status === 412);
  expect(loser?.body).toMatchObject({ current_version: 2 });
});

test('pages through every user once while others sign up and leave', async () => {
  const before = new Set<unknown>();
  for (let index = 0; index < 25; index += 1) {
    before.add((await users.must('POST', '/users', person()))['id']);
  }
  const seen = await readAll(users, '/users?limit=4', async () => {
    const { id } = await users.must('POST', '/users', person());
    await users.must('PATCH', `/users/${String(id)}`, { name: 'Renamed while paging' });
  });
  const ids = seen.map((user) => user['id']);
  expect(new Set(ids).size).toBe(ids.length);
  for (const id of before) expect(ids).toContain(id);
});

test('reads up to 200 users by id, each once, and leaves out those that are not there', async () => {
  const { id } = await users.must('POST', '/users', person());
  const others = Array.from({ length: 199 }, () => randomUUID());
  const bulk = await users.must('GET', `/users?ids=${[...others, id].join(',').toUpperCase()}`);
  expect((bulk['items'] as { id: string }[]).map((user) => user.id)).toEqual([id]);
  const tooMany = [...others, randomUUID(), id].join(',');
  expect((await users.call('GET', `/users?ids=${tooMany}`)).status).toBe(400);
  expect((await users.call('GET', '/users?ids=')).status).toBe(400);
});

test('removes the addresses of an account together with it', async () => {
  const path = `/users/${String((await users.must('POST', '/users', person()))['id'])}`;
  const address = {
    recipient: 'Ada',
    line1: 'Mill Lane 1',
    city: 'Uppsala',
    postcode: '753 10',
    country: 'SE',
  };
  await users.must('PUT', `${path}/addresses/home`, address);
  await users.must('PUT', `${path}/addresses/home`, { ...address, line2: 'c/o Bruno' });
  expect(await users.must('GET', `${path}/addresses`)).toMatchObject({
    items: [{ label: 'home', line2: 'c/o Bruno' }],
  });
  expect((await users.call('DELETE', path)).status).toBe(204);
  expect((await users.call('DELETE', path)).status).toBe(404);
  expect((await users.call('GET', `${path}/addresses`)).status).toBe(404);
  expect((await users.call('PUT', `${path}/addresses/work`, address)).status).toBe(404);
});

test.each([
  ['an unknown field', { ...person(), colour: 'red' }, 400],
  ['a number where a string belongs', { ...person(), name: 7 }, 400],
  ['a date that does not exist', { ...person(), birth_date: '2023-02-29' }, 400],
  ['text that cannot be stored', { ...person(), name: 'a\u0000b' }, 400],
  ['half a surrogate pair in a document', { ...person(), preferences: { a: '\ud800' } }, 400],
  [
    'a document too deep to store',
    `{"preferences":${'{"a":'.repeat(5000)}1${'}'.repeat(5001)}`,
    400,
  ],
  ['a bare list', [person()], 400],
  ['broken JSON', '{"name":', 400],
  ['a body of 100 KB', { ...person(), name: 'x'.repeat(100_000) }, 413],
])('refuses %s', async (_what, body, status) => {
  const answer = await users.call('POST', '/users', body);
  expect(answer.status).toBe(status);
  expect(answer.headers.get('content-type')).toMatch(/^application\/problem\+json/);
});

test('refuses a bigint beyond the column, an empty change, a bad If-Match and a body that is not JSON', async () => {
  const path = `/users/${String((await users.must('POST', '/users', person()))['id'])}`;
  const change = async (body: unknown, headers = {}) =>
    (await users.call('PATCH', path, body, headers)).status;
  expect(await change({ loyalty_points: '9223372036854775807' })).toBe(200);
  expect(await change({ loyalty_points: '9223372036854775808' })).toBe(400);
  expect(await change('{"loyalty_points": 9007199254740993}')).toBe(400);
  expect(await change({})).toBe(400);
  expect(await change({ name: 'A' }, { 'if-match': 'yesterday' })).toBe(400);
  expect(await change('name=A', { 'content-type': 'application/x-www-form-urlencoded' })).toBe(415);
});

test('finishes a request that runs when it is told to stop, and takes no new one', async () => {
  const service = await runForTest(usersService, databaseUrl, { emailColumn: 'email' });
  const path = `/users/${String((await service.must('POST', '/users', person()))['id'])}`;
  const blocker = new pg.Client({ connectionString: databaseUrl });
  await blocker.connect();
  await blocker.query('BEGIN');
  await blocker.query('SELECT id FROM users WHERE id = $1 FOR UPDATE', [path.split('/')[2]]);
  const running = service.call('PATCH', path, { name: 'After the drain' });
  await untilWaiting(blocker);
  const stopped = service.running.stop();
  const refused = connect(service.running.port, '127.0.0.1');
  const [error] = (await once(refused, 'error')) as [NodeJS.ErrnoException];
  expect(error.code).toBe('ECONNREFUSED');
  await blocker.query('COMMIT');
  await blocker.end();
  const answer = await running;
  expect(answer).toMatchObject({ status: 200, body: { name: 'After the drain' } });
  expect(answer.headers.get('connection')).toBe('close');
  await stopped;
});

/** Waits until some statement waits for a lock. */
async function untilWaiting(client: pg.Client): Promise<void> {
  const deadline = Date.now() + 5_000;
  for (;;) {
    const { rows } = await client.query(
      `SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()`,
    );
    if (rows.length > 0) return;
    if (Date.now() > deadline) throw new Error('nothing waits for the lock');
  }
}

test('writes an event for each change that others may know, with the change or not at all', async () => {
  // A uuid of no version: PostgreSQL takes it, so events have to.
  const id = '00000000-0000-0000-0000-00000000abcd';
  await users.must('POST', '/users', { ...person('Ada Lind'), id });
  await users.must('PATCH', `/users/${id}`, { name: 'Ada Novák', status: 'suspended' });
  await users.must('PATCH', `/users/${id}`, { phone: '1', name: 'Ada Novák' });
  const taken = String((await users.must('GET', `/users/${id}`))['email']);
  const other = String((await users.must('POST', '/users', person()))['id']);
  expect((await users.call('PATCH', `/users/${other}`, { email: taken })).status).toBe(409);
  await users.must('DELETE', `/users/${id}`);
  const database = openDatabase({
    url: new Secret(databaseUrl),
    applicationName: 'test',
    log: createLogger('test', 'silent'),
  });
  const events = async (of: string) =>
    database.query<{ type: string; payload: Record<string, unknown> }>(
      'SELECT type, payload FROM messaging.outbox WHERE aggregateid = $1 ORDER BY created_at, type',
      [of],
    );
  expect((await events(id)).map(({ type, payload }) => [type, payload['version']])).toEqual([
    ['UserRegistered', 1],
    ['UserNameChanged', 2],
    ['UserStatusChanged', 2],
    ['UserDeleted', 4],
  ]);
  expect((await events(other)).map(({ type }) => type)).toEqual(['UserRegistered']);

  // Once more, so that copies which missed something can take it.
  await users.must('POST', `/users/${other}/republish`);
  await users.must('POST', `/users/${id}/republish`);
  const current = await users.must('GET', `/users/${other}`);
  expect(current['version']).toBe(2);
  expect((await events(other)).slice(1)).toEqual([
    {
      type: 'UserEmailChanged',
      payload: { user_id: other, version: 2, email: current['email'] },
    },
    { type: 'UserNameChanged', payload: { user_id: other, version: 2, name: current['name'] } },
    { type: 'UserStatusChanged', payload: { user_id: other, version: 2, status: 'active' } },
  ]);
  expect((await events(id)).at(-1)).toEqual({
    type: 'UserDeleted',
    payload: { user_id: id, version: 1 },
  });

  // Events that say who it was are gone with the person.
  await users.must('POST', `/users/${other}/erase`);
  expect((await events(other)).map(({ type, payload }) => [type, Object.keys(payload)])).toEqual([
    ['UserDeleted', ['user_id', 'version']],
    ['UserErased', ['user_id', 'version']],
  ]);
  expect((await users.call('GET', `/users/${other}`)).status).toBe(404);

  await database.query(
    `UPDATE messaging.outbox SET created_at = now() - interval '8 days' WHERE aggregateid = $1`,
    [id],
  );
  expect(await pruneOnce(database, { outbox: 'messaging.outbox' })).toBe(5);
  expect(await events(id)).toEqual([]);
  expect(await events(other)).toHaveLength(2);
  await database.close();
});
