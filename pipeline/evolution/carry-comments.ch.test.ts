import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Secret } from '#runtime/config.ts';
import { createLogger } from '#runtime/log.ts';
import { migrate } from '../../warehouse/migrate.ts';
import {
  startEmbeddedWarehouse,
  type EmbeddedWarehouse,
} from '../../warehouse/testing/embedded-server.ts';
import { connectWarehouse, type Warehouse } from '../sink/clickhouse-client.ts';
import { startPostgres, type PostgresServer } from '../testing/postgres-server.ts';
import { carryComments, readViewComments } from './carry-comments.ts';

let server: PostgresServer;
let embedded: EmbeddedWarehouse;
let warehouse: Warehouse;
let service: pg.Client;

beforeAll(async () => {
  [server, embedded] = await Promise.all([startPostgres(), startEmbeddedWarehouse()]);
  warehouse = connectWarehouse(
    { url: embedded.url, user: 'default', password: new Secret('') },
    'test',
  );
  await migrate(warehouse, {
    log: createLogger('test', 'silent'),
    signal: new AbortController().signal,
  });
  service = new pg.Client({ connectionString: (await server.createDatabase('shop')).adminUrl });
  await service.connect();
});
afterAll(async () => {
  await Promise.all([service?.end(), warehouse?.close()]);
  await Promise.all([server?.[Symbol.asyncDispose](), embedded?.[Symbol.asyncDispose]()]);
});

test('what the owner says that tables and columns mean is what the views say, renamed or made anew', async () => {
  await service.query(`
    CREATE TABLE people (id int PRIMARY KEY, "full ""name""" text, hidden text, plain text);
    COMMENT ON TABLE people IS 'Who we know; it''s a \\ list';
    COMMENT ON COLUMN people."full ""name""" IS 'First and last';
    COMMENT ON COLUMN people.hidden IS 'Not captured';
    CREATE TABLE elsewhere (id int PRIMARY KEY);
    COMMENT ON TABLE elsewhere IS 'Not published';
    CREATE PUBLICATION p FOR TABLE people;`);
  await warehouse.command({ query: 'CREATE DATABASE shop' });
  const makeView = async () =>
    warehouse.command({
      query: `CREATE OR REPLACE VIEW shop.people (id Int32 COMMENT 'kept', name String, plain String)
              AS SELECT 1 AS id, 'x' AS name, 'y' AS plain COMMENT 'before'`,
    });
  await makeView();
  await warehouse.insert({
    table: 'ops.source_columns',
    format: 'JSONEachRow',
    values: [
      {
        source: 'shop',
        table_schema: 'public',
        table_name: 'people',
        number: 2,
        name: 'full "name"',
        published: 'name',
        type: 'text',
        is_gone: 0,
      },
    ],
  });
  const shown = async () => {
    const result = await warehouse.query({
      query: `SELECT * FROM (SELECT name, comment FROM system.columns WHERE database = 'shop'
              UNION ALL SELECT name, comment FROM system.tables WHERE database = 'shop') ORDER BY name`,
      format: 'JSONEachRow',
    });
    return result.json();
  };
  const carried = async (about: Record<string, string>) => {
    await carryComments(service, warehouse, { name: 'shop', publication: 'p' }, async () =>
      readViewComments(warehouse, ['other', 'shop']),
    );
    expect(await shown()).toEqual(
      Object.entries(about).map(([name, comment]) => ({ name, comment })),
    );
  };
  const meanings = {
    id: 'kept',
    name: 'First and last',
    people: "Who we know; it's a \\ list",
    plain: '',
  };
  await carried(meanings);
  await makeView();
  await service.query(`COMMENT ON COLUMN people.plain IS 'Now said'`);
  await carried({ ...meanings, plain: 'Now said' });
});
