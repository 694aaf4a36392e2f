import pg from 'pg';
import { expect, test } from 'vitest';
import { Secret } from '#runtime/config.ts';
import { createLogger } from '#runtime/log.ts';
import { keyedHash } from '../../pipeline/catalog/mask.ts';
import { parseCatalog } from '../../pipeline/catalog/parse-catalog.ts';
import { RuleWatch } from '../../pipeline/drift/rule-watch.ts';
import { connectWarehouse } from '../../pipeline/sink/clickhouse-client.ts';
import { MirroredTable } from '../../pipeline/testing/mirrored-table.ts';
import { startPostgres } from '../../pipeline/testing/postgres-server.ts';
import { migrate } from '../../warehouse/migrate.ts';
import { startEmbeddedWarehouse } from '../../warehouse/testing/embedded-server.ts';
import { describeFindings } from './describe-drift.ts';
import { valuesOfFindings } from './values-of-findings.ts';

const KEY = 'a key of which nobody knows';
const CATALOG = `
sources:
  - name: shop
    url: '\${URL}'
    tables: [public.*]
    mask: { public.users.email: hash, public.orders.mail: hash }
drift:
  - rule: mails
    owner: shop.users
    copy: shop.orders
    reference: { user_id: id }
    fields: { mail: email, name: name }
`;

test('drift of masked columns is found by their hashes, and nobody is shown more', async () => {
  await using server = await startPostgres();
  await using embedded = await startEmbeddedWarehouse();
  const warehouse = connectWarehouse(
    { url: embedded.url, user: 'default', password: new Secret('') },
    'test',
  );
  const log = createLogger('test', 'silent');
  await migrate(warehouse, { log, signal: new AbortController().signal });
  const database = await server.createDatabase('shop');
  const service = new pg.Client({ connectionString: database.adminUrl });
  await service.connect();
  await service.query(`ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO ${database.role}`);
  const key = { definition: 'integer NOT NULL', avro: 'int' as const };
  const text = { definition: 'text NOT NULL', avro: 'string' as const };
  const users = await MirroredTable.create(service, warehouse, {
    table: 'users',
    columns: [
      { name: 'id', ...key },
      { name: 'email', ...text },
      { name: 'name', ...text },
    ],
    key: ['id'],
  });
  const orders = await MirroredTable.create(service, warehouse, {
    table: 'orders',
    columns: [
      { name: 'no', ...key },
      { name: 'user_id', ...key },
      { name: 'mail', ...text },
      { name: 'name', ...text },
    ],
    key: ['no'],
  });
  await service.query(`
    INSERT INTO users VALUES (1, 'ann@private.example', 'Ann'), (2, 'bob@private.example', 'Bob');
    INSERT INTO orders VALUES (10, 1, 'ann@private.example', 'Ann'), (20, 2, 'old@private.example', 'Rob')`);
  await users.apply(await users.newest());
  await orders.apply(await orders.newest());
  // As the pipeline brings them.
  const hash = keyedHash(new Secret(KEY));
  const masked = async (table: MirroredTable, column: string, texts: readonly string[]) => {
    const cases = texts.map((one) => `${column} = '${one}', '${hash(one)}'`).join(', ');
    await table.damage({ [column]: `multiIf(${cases}, '')` }, '1', 1_000);
  };
  await masked(users, 'email', ['ann@private.example', 'bob@private.example']);
  await masked(orders, 'mail', ['ann@private.example', 'old@private.example']);

  const catalog = parseCatalog(CATALOG, 'test.yaml', {
    URL: database.url,
    TRIBUTARY_MASK_KEY: KEY,
  });
  const [rule] = catalog.drift.map((one) => ({ ...one, allowedStalenessMs: 0 }));
  if (rule === undefined) throw new Error('no rule');
  const watch = new RuleWatch({ catalog, warehouse, rule, catchUpWith: undefined });
  await watch.round('sweep');
  const found = watch.open
    .map(({ copyKey, field, state }) => `${copyKey} ${field} ${state}`)
    .sort();
  expect(found).toEqual(['["20"] mail open', '["20"] name open']);
  const values = await valuesOfFindings({ catalog, warehouse }, watch.open);
  const shown = describeFindings(watch.open, 9, values);
  expect(shown).toContain(
    `owner "${hash('bob@private.example')}", copy "${hash('old@private.example')}"`,
  );
  expect(shown).toContain('owner "Bob", copy "Rob"');
  expect(shown + JSON.stringify(watch.open)).not.toContain('private.example');
  await service.end();
  await warehouse.close();
});
