import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ClickHouseClient } from '@clickhouse/client';
import { Secret } from '#runtime/config.ts';
import { createLogger } from '#runtime/log.ts';
import { migrate } from '../../warehouse/migrate.ts';
import {
  startEmbeddedWarehouse,
  type EmbeddedWarehouse,
} from '../../warehouse/testing/embedded-server.ts';
import type { Epoch } from '../change/version.ts';
import { connectWarehouse } from '../sink/clickhouse-client.ts';
import { createLedger, type Resync } from './ledger.ts';
import { openRequests, requestResync } from './request-resync.ts';

let warehouse: EmbeddedWarehouse;
let client: ClickHouseClient;

beforeAll(async () => {
  warehouse = await startEmbeddedWarehouse();
  client = connectWarehouse(
    { url: warehouse.url, user: 'default', password: new Secret('') },
    'test',
  );
  await migrate(client, {
    log: createLogger('test', 'silent'),
    signal: new AbortController().signal,
  });
});

afterAll(async () => {
  await client.close();
  await warehouse[Symbol.asyncDispose]();
});

test('a request is open until a resync that began after it is done', async () => {
  const table = { source: 'erp', schema: 'public', table: 'items' };
  await requestResync(client, { ...table, reason: 'first' });
  await requestResync(client, { ...table, reason: 'second' });
  await requestResync(client, { ...table, table: 'other', reason: 'third' });
  const open = [
    { ...table, reason: 'first' },
    { ...table, table: 'other', reason: 'third' },
  ];
  expect(await openRequests(client)).toEqual(open);
  const resync: Resync = {
    topic: 'erp.public.items',
    epoch: 1 as Epoch,
    ...table,
    state: 'failed',
    from: new Map(),
    snapshot: '1:1:',
    until: new Map(),
    reason: 'second',
    startedAt: Date.now() + 1_000,
    readAt: '2026-01-01 00:00:00.000001',
    rowsRead: 0,
    rowsWritten: 0,
    rowsRemoved: 0,
  };
  const ledger = createLedger(client);
  await ledger.write(resync);
  expect(await openRequests(client)).toEqual(open);
  await ledger.write({ ...resync, state: 'done' });
  expect(await openRequests(client)).toEqual(open.slice(1));
  expect(await ledger.resyncs(resync.topic)).toEqual([
    { ...resync, state: 'done', startedAt: resync.startedAt },
  ]);
});
