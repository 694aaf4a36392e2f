import { readFile, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Finding } from '../../pipeline/drift/finding.ts';
import { createDriftStore, type DriftStore } from '../../pipeline/drift/store.ts';
import { RunningCli } from '../testing/run-cli.ts';
import { ShopStack } from '../testing/shop-stack.ts';

/*
 * Drift of every kind is planted in the running shop, under traffic, by hand and by faults. Each
 * planted one must be found and rightly called; nothing else may be, at any time of the run.
 */

const OFFSET = 10_000;
/** Of each kind. */
const PLANTED = 4;
/** Shorter than the shop's own: what is in flight has less time, and nobody waits for it as long. */
const STALENESS = '10s';
/** Several times that. */
const A_WHILE_MS = 35_000;
const ROUND_DEADLINE_MS = 200_000;

let shop: ShopStack;
let store: DriftStore;
let hook: Server;
/** What the webhooks were told, by path. */
const told: { path: string; body: string }[] = [];
/** What was planted: by rule, copy and field the kind it has to be called. */
const planted = new Map<string, string>();
/** Users whose buyers the warehouse is made to hold otherwise. */
let damaged: string[] = [];

beforeAll(async () => {
  hook = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => {
      body += chunk.toString();
    });
    request.on('end', () => {
      told.push({ path: request.url ?? '', body });
      response.end();
    });
  });
  hook.listen(0, '127.0.0.1');
  await once(hook, 'listening');
  const url = `http://127.0.0.1:${(hook.address() as AddressInfo).port}`;
  const catalog = join(tmpdir(), `tributary-drift-${process.pid}.yaml`);
  await writeFile(
    catalog,
    `${(await readFile('tributary.yaml', 'utf8')).replaceAll('staleness: 30s', `staleness: ${STALENESS}`)}
alerts:
  - { format: slack, url: '\${HOOK}/slack' }
  - { format: alertmanager, url: '\${HOOK}/api/v2/alerts' }
`,
  );
  shop = await ShopStack.start('drift', OFFSET, {
    seed: 11,
    catalog,
    // What is in the warehouse without a change that brought it is found by looking at all. Nobody waits
    // for rounds as long as for the shop's.
    env: { HOOK: url, DRIFT_SWEEP_SECONDS: '10', DRIFT_PAUSE_SECONDS: '1' },
  });
  store = createDriftStore(shop.warehouse);
});

afterAll(async () => {
  await shop?.stop();
  hook?.closeAllConnections();
  hook?.close();
});

async function metric(name: string): Promise<Map<string, number>> {
  const response = await fetch(`http://127.0.0.1:${19_465 + OFFSET}/metrics`);
  const lines = (await response.text()).split('\n').filter((line) => line.startsWith(`${name}{`));
  return new Map(
    lines.map((line) => {
      const place = line.lastIndexOf(' ');
      return [line.slice(name.length, place), Number(line.slice(place + 1))] as const;
    }),
  );
}

/** How often the monitor has looked at every rule. */
async function roundsDone(): Promise<number> {
  const all = [...(await metric('tributary_drift_rounds_total'))];
  const each = all.filter(([labels]) => labels.includes('done')).map(([, value]) => value);
  return each.length < shop.catalog.drift.length ? 0 : Math.min(...each);
}

/** Waits until the monitor has gone round a number of times more. */
async function rounds(count: number): Promise<void> {
  const before = await roundsDone();
  await until(async () => (await roundsDone()) >= before + count, `${count} rounds`);
}

async function until(isSo: () => Promise<boolean>, what: string): Promise<void> {
  const deadline = Date.now() + ROUND_DEADLINE_MS;
  while (!(await isSo())) {
    if (Date.now() > deadline) throw new Error(`waited too long for ${what}`);
    await delay(500);
  }
}

const keyOf = (finding: Finding) =>
  `${finding.rule} ${(JSON.parse(finding.copyKey) as string[]).join(',')} ${finding.field}`;

async function found(state?: Finding['state']): Promise<Finding[]> {
  return store.findings(state === undefined ? {} : { states: [state] });
}

async function openOf(rule: string): Promise<Finding[]> {
  return (await found('open')).filter((finding) => finding.rule === rule);
}

/** Waits until all that was planted is found, and is what it was planted as. */
async function expectPlantedFound(): Promise<void> {
  await until(async () => {
    const open = new Map((await found('open')).map((one) => [keyOf(one), one.kind]));
    return [...planted].every(([key, kind]) => open.get(key) === kind);
  }, 'what was planted').catch(async (error: unknown) => {
    const open = await found();
    const kinds = [...planted].map(([key, kind]) => {
      const said = open
        .filter((one) => keyOf(one) === key)
        .map((one) => `${one.kind} ${one.state}`);
      return `${key}: planted ${kind}, found ${said.join(', ')}`;
    });
    throw new Error(kinds.join('\n'), { cause: error });
  });
}

async function expectNothingElse(): Promise<void> {
  const invented = (await found()).filter((finding) => !planted.has(keyOf(finding)));
  expect(invented).toEqual([]);
}

/** Signs users up whom no customer knows of, and waits until orders has heard of them. */
async function signUp(what: string): Promise<string[]> {
  const signedUp = Array.from({ length: PLANTED }, async (_, number) => {
    const response = await fetch(`${shop.serviceUrl('users')}/users`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        name: `${what} ${number}`,
        email: `${what}.${number}@drift.example`,
        country: 'DE',
      }),
    });
    expect(response.status).toBe(201);
    return ((await response.json()) as { id: string }).id;
  });
  const ids = await Promise.all(signedUp);
  await until(async () => {
    const rows = await shop.query<{ n: string }>(
      'orders',
      `SELECT count(*) AS n FROM buyers WHERE status IS NOT NULL AND user_id IN (${list(ids)})`,
    );
    return Number(rows[0]?.n) === PLANTED;
  }, `buyers ${what}`);
  return ids;
}

/** Rows of the warehouse. */
async function warehouseRows<T>(query: string): Promise<T[]> {
  return (await shop.warehouse.query({ query, format: 'JSONEachRow' })).json<T>();
}

/** Waits until orders has heard of all that users has told. */
async function eventsAreApplied(): Promise<void> {
  await until(async () => {
    const users = await shop.query('users', `SELECT id, name, email FROM users ORDER BY id`);
    const buyers = await shop.query(
      'orders',
      `SELECT user_id AS id, name, email FROM buyers WHERE NOT deleted ORDER BY user_id`,
    );
    return JSON.stringify(users) === JSON.stringify(buyers);
  }, 'events to be applied');
}

async function rename(id: string, name: string): Promise<void> {
  const response = await fetch(`${shop.serviceUrl('users')}/users/${id}`, {
    method: 'PATCH',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ name }),
  });
  expect(response.status).toBe(200);
}

const list = (ids: readonly string[]) => ids.map((id) => `'${id}'`).join(', ');

function plant(kind: string, rule: string, field: string, copies: readonly string[]): void {
  for (const copy of copies) planted.set(`${rule} ${copy} ${field}`, kind);
}

async function cli(...args: string[]): Promise<{ code: number | null; output: string }> {
  const running = new RunningCli(args, shop.env);
  const code = await running.exit();
  return { code, output: running.output };
}

test('nothing is reported of a shop in which everything is in order, however busy', async () => {
  await shop.trafficGoesOn();
  const restless = await signUp('restless');
  let turn = 0;
  await until(async () => {
    turn += 1;
    await Promise.all(restless.map(async (id) => rename(id, `Restless ${turn}`)));
    const [row] = await warehouseRows<{ n: number }>(
      'SELECT sum(candidates) AS n FROM ops.drift_rounds',
    );
    return (await roundsDone()) >= 6 && (row?.n ?? 0) > 0;
  }, 'six rounds, with something in them to be mistaken about');
  await expectNothingElse();
  const [checked, audited] = await shop.whileTrafficRests(async () =>
    Promise.all([cli('drift', 'check', '--json'), cli('audit')]),
  );
  expect(checked.code, checked.output).toBe(0);
  expect(JSON.parse(checked.output)).toMatchObject(
    shop.catalog.drift.map(({ name: rule }) => ({ rule, findings: [], undecided: 0, cut: false })),
  );
  expect([audited.code, audited.output]).toEqual([0, '5 sources, nothing shared\n']);
});

test('rules are proposed from what the warehouse holds, with what speaks for them', async () => {
  const { code, output } = await shop.whileTrafficRests(async () => cli('drift', 'discover'));
  expect(code).toBe(0);
  expect(output).toMatch(
    /# \d+ of \d+ user_id lead to a row of users\.users\n(?: +# .*\n)* +- rule: buyers-user\n +owner: users\.users\n +copy: orders\.buyers\n +reference:\n +user_id: id\n +fields:\n(?: +\w+: \w+\n)*? +name: name\n/,
  );
  expect(output).toMatch(/name: (?:100|9\d)\.\d% of \d+ rows are equal/);
});

test('drift of every kind is found under traffic, and called what it is', async () => {
  const people = ['lost', 'written', 'deleted', 'missing', 'damaged'];
  const [lost = [], written = [], deleted = [], missing = [], atWarehouse = []] = await Promise.all(
    people.map(signUp),
  );
  damaged = atWarehouse;
  // A consumer that takes the event and does not write.
  await shop.query(
    'orders',
    `CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
       IF NEW.user_id IN (${list(lost)}) THEN RETURN NULL; END IF; RETURN NEW; END $$;
     CREATE TRIGGER lose BEFORE UPDATE ON buyers FOR EACH ROW EXECUTE FUNCTION lose()`,
  );
  for (const id of lost) await rename(id, 'Somebody Else');
  plant('missed update', 'buyers', 'name', lost);

  await shop.query(
    'orders',
    `UPDATE buyers SET email = 'by.hand@drift.example' WHERE user_id IN (${list(written)})`,
  );
  plant('written locally', 'buyers', 'email', written);

  await shop.query('users', `DELETE FROM users WHERE id IN (${list(deleted)})`);
  plant('orphan', 'buyers', '', deleted);

  await shop.query('orders', `DELETE FROM buyers WHERE user_id IN (${list(missing)})`);
  plant('missing', 'buyers', '', missing);

  const payments = await shop.query<{ id: string }>(
    'payments',
    `UPDATE payments SET amount = amount + 1000 WHERE id IN (
       SELECT id FROM payments WHERE status = 'captured' ORDER BY id LIMIT ${PLANTED})
     RETURNING id`,
  );
  plant(
    'written locally',
    'payment-amounts',
    'amount',
    payments.map(({ id }) => id),
  );

  const arrived = `SELECT count() AS n FROM orders.buyers WHERE toString(user_id) IN (${list(damaged)})`;
  await until(async () => (await warehouseRows<{ n: number }>(arrived))[0]?.n === PLANTED, 'rows');
  await shop.warehouse.command({
    query: `INSERT INTO current.orders__buyers
            SELECT * REPLACE ('Nobody' AS name, _version + 1 AS _version)
            FROM current.orders__buyers FINAL WHERE toString(user_id) IN (${list(damaged)})`,
  });
  plant('pipeline', 'buyers', '', damaged);

  await expectPlantedFound();
  await expectNothingElse();
  const missed = (await found('open')).filter(({ kind }) => kind === 'missed update');
  // The event is named, so that its way can be followed.
  const events = await shop.query<{ event: string }>(
    'users',
    `SELECT concat(id, ' ', type) AS event FROM messaging.outbox
     WHERE type = 'UserNameChanged' AND aggregateid IN (${list(lost)})`,
  );
  expect(missed.map(({ missedEvent }) => missedEvent).sort()).toEqual(
    events.map(({ event }) => event).sort(),
  );
  const listed = await cli('drift', 'list', 'buyers', '--show-values', '--limit', '100');
  expect(listed.output).toContain('owner "Somebody Else", copy "lost 0"');
});

test('with the pipeline stopped for a while nothing is invented, then or after', async () => {
  const stoppedAt = Date.now();
  await shop.stack.process('transformer').stop();
  await rounds(1);
  await shop.trafficGoesOn();
  await until(async () => Date.now() - stoppedAt > A_WHILE_MS, 'a while');
  await shop.stack.process('transformer').start();
  await rounds(4);
  await expectNothingElse();
});

test('an alert is raised once for a rule, and says nothing of a row', async () => {
  const raised = (rule: string, path: string) =>
    told.filter((one) => one.path === path && one.body.includes(rule));
  await until(async () => raised('buyers', '/slack').length > 0, 'the alert');
  await until(async () => raised('payment-amounts', '/slack').length > 0, 'the other alert');
  expect(raised('"rule":"buyers"', '/api/v2/alerts')).toHaveLength(1);
  expect(raised('Drift: buyers', '/slack')).toHaveLength(1);
  expect(JSON.stringify(told)).not.toMatch(/drift\.example|Somebody/);
});

test('check tells a pipeline of the drift, and repair asks the owners to mend it', async () => {
  const checked = await cli('drift', 'check', 'buyers', '--json', '--deadline', '1');
  expect(checked.code).toBe(1);
  const [rule] = JSON.parse(checked.output) as { findings: Finding[] }[];
  const said = new Set(rule?.findings.map(keyOf));
  const atSources = [...planted].filter(
    ([key, kind]) => key.startsWith('buyers ') && kind !== 'pipeline',
  );
  for (const [key] of atSources) expect(said).toContain(key);

  await shop.query('orders', 'DROP TRIGGER lose ON buyers; DROP FUNCTION lose()');
  const dry = await cli('drift', 'repair', 'buyers', '--dry-run');
  expect(dry.output).toContain(`${4 * PLANTED} owners would be asked`);
  const repaired = await cli('drift', 'repair', 'buyers');
  expect([repaired.code, repaired.output]).toEqual([0, `buyers: ${4 * PLANTED} healed\n`]);
  expect(
    await warehouseRows('SELECT outcome, count() AS n FROM ops.drift_repairs GROUP BY outcome'),
  ).toEqual([{ outcome: 'healed', n: 4 * PLANTED }]);

  const status = await cli('status');
  expect(status.output).toContain('! drift: payment-amounts: 4 findings');

  // What is next written to a row takes the place of what the warehouse should not have had.
  for (const id of damaged) await rename(id, 'Newer');
  await until(async () => (await openOf('buyers')).length === 0, 'buyers to be in order');
  const slack = () => told.filter(({ path }) => path === '/slack').map(({ body }) => body);
  await until(async () => slack().some((body) => body.includes('Drift is over: buyers')), 'news');
  await expectNothingElse();
});

test('a consumer that stands still is a burst that names its moment, and is over when it goes on', async () => {
  const ids = (await Promise.all(['late', 'later'].map(signUp))).flat();
  await shop.whileTrafficRests(async () => {
    await eventsAreApplied();
    await shop.stack.process('service-orders').stop();
    await cli('drift', 'mark', 'deployed orders 2.0', '--source', 'orders');
    for (const id of ids) await rename(id, 'After');
    plant('missed update', 'buyers', 'name', ids);
    await until(async () => {
      const open = new Map((await found('open')).map((one) => [keyOf(one), one.kind]));
      return ids.every((id) => open.get(`buyers ${id} name`) === 'missed update');
    }, 'what a consumer misses');
    const alertOf = async () =>
      (await store.standingAlerts()).find(({ rule }) => rule === 'buyers');
    await until(async () => (await alertOf()) !== undefined, 'the alert');
    const alert = await alertOf();
    expect(alert?.summary).toContain(`${ids.length} of them began at`);
    expect(alert?.circumstances.join()).toContain('marker of orders: deployed orders 2.0');
    await shop.stack.process('service-orders').start();
  });
  await until(async () => (await openOf('buyers')).length === 0, 'the end of it');
});

test('what was found in this run', async () => {
  const all = await found();
  const right = all.filter((one) => planted.get(keyOf(one)) === one.kind);
  const precision = right.length / all.length;
  const recall = right.length / planted.size;
  process.stdout.write(
    `drift: ${planted.size} planted, ${all.length} found, precision ${precision.toFixed(3)}, recall ${recall.toFixed(3)}\n`,
  );
  expect(all.filter((one) => planted.get(keyOf(one)) !== one.kind)).toEqual([]);
  expect(recall).toBe(1);
});
