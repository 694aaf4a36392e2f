import pg from 'pg';
import { expect, test } from 'vitest';
import { captureNames } from '../../connectors/connector-config.ts';
import type { PreflightReport } from '../../connectors/preflight.ts';
import { parseCatalog } from '../../pipeline/catalog/parse-catalog.ts';
import { startPostgres } from '../../pipeline/testing/postgres-server.ts';
import { sourcesToCopy } from './sources-to-copy.ts';

test('new sources that are large are copied, those that say so, and what may have been begun; nobody else is asked', async () => {
  await using server = await startPostgres({ dedicated: true, walLevel: 'logical' });
  const { adminUrl } = await server.createDatabase('erp');
  const database = new pg.Client({ connectionString: adminUrl });
  await database.connect();
  // 45 MB, in a part of a partitioned table.
  await database.query(
    `CREATE TABLE small (id int PRIMARY KEY);
     CREATE TABLE large (id int PRIMARY KEY, body text) PARTITION BY RANGE (id);
     CREATE TABLE large_1 PARTITION OF large DEFAULT;
     ALTER TABLE large_1 ALTER body SET STORAGE PLAIN;
     INSERT INTO large SELECT i, repeat(md5(i::text), 45) FROM generate_series(1, 30000) i`,
  );
  await database.query("SELECT pg_create_logical_replication_slot('tributary_begun', 'pgoutput')");
  await database.end();
  const words: Readonly<Record<string, readonly [table: string, more: string]>> = {
    big: ['large', ''],
    little: ['small', ''],
    said: ['small', 'first_load: copy'],
    refused: ['large', 'first_load: snapshot'],
    begun: ['small', ''],
    running: ['large', ''],
    stopped: ['large', ''],
  };
  // The last one's database is away: that of a source with a running connector is not asked.
  const away = 'postgres://capture:secret@127.0.0.1:1/erp';
  const catalog = parseCatalog(
    `sources:\n${Object.entries(words)
      .map(
        ([name, [table, more]]) =>
          `  - name: ${name}\n    url: \${${name === 'running' ? 'AWAY' : 'URL'}}\n    tables: [public.${table}]\n    ${more}\n`,
      )
      .join('')}`,
    'catalog.yaml',
    { URL: adminUrl, AWAY: away },
  );
  const reports = Object.entries(words).map(([source, [table]]): PreflightReport => ({
    source,
    tables: [{ schema: 'public', table }],
    outbox: undefined,
    findings: [],
    canProvision: false,
  }));
  const live = (state: string) => ({
    config: {},
    status: { connector: { state }, tasks: [] },
  });
  const wanted = await sourcesToCopy(
    catalog.sources,
    reports,
    new Map([
      [captureNames('running').connector, live('RUNNING')],
      [captureNames('stopped').connector, live('STOPPED')],
    ]),
  );
  expect(wanted.map(({ name }) => name)).toEqual(['big', 'said', 'begun', 'stopped']);
});
