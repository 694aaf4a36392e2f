import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Secret } from '#runtime/config.ts';
import { createLogger } from '#runtime/log.ts';
import { applyMigrations } from '#runtime/service/migrations.ts';
import { startPostgres, type PostgresServer } from '../pipeline/testing/postgres-server.ts';

let server: PostgresServer;
beforeAll(async () => {
  server = await startPostgres();
});
afterAll(async () => server[Symbol.asyncDispose]());

test.each(['users', 'catalog', 'inventory', 'orders', 'payments'])(
  'every table and column of %s that is captured says what it means',
  async (service) => {
    const { adminUrl } = await server.createDatabase(service);
    await applyMigrations({
      url: new Secret(adminUrl),
      folder: new URL(`./${service}/migrations/`, import.meta.url),
      log: createLogger('test', 'silent'),
      signal: new AbortController().signal,
    });
    const client = new pg.Client({ connectionString: adminUrl });
    await client.connect();
    try {
      const { rows } = await client.query(`
        SELECT c.relname AS table, a.attname AS column
        FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
          AND col_description(c.oid, a.attnum) IS NULL
        UNION ALL
        SELECT relname, NULL FROM pg_class c
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
          AND obj_description(oid, 'pg_class') IS NULL`);
      expect(rows).toEqual([]);
    } finally {
      await client.end();
    }
  },
);
