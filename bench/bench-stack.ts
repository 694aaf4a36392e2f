import { writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import pg from 'pg';
import { createLogger } from '#runtime/log.ts';
import { createConnectClient } from '../connectors/connect-client.ts';
import { deleteConnector } from '../connectors/delete-connector.ts';
import { connectLocalWarehouse, localAddresses } from '../cli/local-environment.ts';
import { connectSources } from '../cli/up/connect-sources.ts';
import { loadLocalSettings, statePath, type LocalSettings } from '../local/settings.ts';
import { Stack } from '../local/stack.ts';
import { parseCatalog } from '../pipeline/catalog/parse-catalog.ts';
import type { Warehouse } from '../pipeline/sink/clickhouse-client.ts';
import { createKafka } from '../pipeline/source/kafka-client.ts';
import { startPostgres, type PostgresServer } from '../pipeline/testing/postgres-server.ts';
import { emptyStateFolder, STATE_FOLDERS } from './state-folder.ts';

/** Name of the measured source: database of the warehouse, prefix of the topics. */
export const SOURCE = 'bench';

/** The system that is measured: one Postgres, Kafka, registry, Connect, pipeline, warehouse. */
export interface BenchStack extends AsyncDisposable {
  readonly stack: Stack;
  readonly settings: LocalSettings;
  readonly warehouse: Warehouse;
  /** The measured database, as its superuser. */
  readonly databaseUrl: string;
  /** Captures the tables there are now, as a source. */
  connect(source: string): Promise<void>;
  /** Ends a capture. */
  disconnect(source: string): Promise<void>;
}

const signal = new AbortController().signal;

/**
 * Starts the system with a fresh state; tables are the caller's to make, before `connect`.
 *
 * @param sources - captures of the measured database, all tables each, in the notation of the catalog
 */
export async function startBenchStack(
  sources: Readonly<Record<string, string>> = { [SOURCE]: '' },
): Promise<BenchStack> {
  const stateDir = STATE_FOLDERS.stack;
  await (await emptyStateFolder(stateDir)).releaseOwnership();
  // As a service would run it: a commit is on disk before it is acknowledged.
  const server: PostgresServer = await startPostgres({
    walLevel: 'logical',
    dedicated: true,
    settings: {
      fsync: 'on',
      synchronous_commit: 'on',
      full_page_writes: 'on',
      max_wal_size: '1GB',
    },
  });
  const { adminUrl } = await server.createDatabase('bench');
  const settings = {
    ...loadLocalSettings({
      PATH: process.env['PATH'],
      HOME: process.env['HOME'],
      JAVA_HOME: process.env['JAVA_HOME'],
      TRIBUTARY_STATE_DIR: stateDir,
      TRIBUTARY_PORT_OFFSET: '5000',
    }),
    catalogPath: resolve(stateDir, 'bench.yaml'),
  };
  const entries = Object.entries(sources).map(
    ([name, more]) =>
      `  - name: ${name}\n    url: \${BENCH_URL}\n    tables: [public.*]\n    ${more}\n`,
  );
  const text = `sources:\n${entries.join('')}`;
  writeFileSync(settings.catalogPath, text);
  const env = { BENCH_URL: adminUrl };
  const catalog = parseCatalog(text, settings.catalogPath, env);
  const addresses = localAddresses(settings);
  const warehouse = connectLocalWarehouse(settings, 'bench');
  const connectUrl = addresses['CONNECT_URL'] ?? '';
  const only = (name: string) => catalog.sources.filter((source) => source.name === name);
  const connect = (name: string) =>
    connectSources({
      catalog: { ...catalog, sources: only(name) },
      connectUrl,
      secretsDir: statePath(settings, 'secrets'),
      adminUrls: new Map(),
      firstLoad: {
        warehouse,
        kafka: createKafka({
          clientId: 'bench',
          brokers: (addresses['KAFKA_BROKERS'] ?? '').split(','),
          log: createLogger('bench', 'silent'),
        }),
        say: () => undefined,
        onProgress: () => undefined,
      },
      signal,
    });
  const disconnect = async (name: string) => {
    for (const source of only(name)) {
      const client = createConnectClient(connectUrl);
      await deleteConnector(client, source, { deadlineMs: 60_000, signal });
    }
  };
  const stack = new Stack({
    settings,
    shop: false,
    sourceUrls: env,
    // There are no tables yet: `connect` is called when there are.
    applyConnectors: async () => undefined,
    onProgress: () => undefined,
    onFailure: (error) => {
      throw error;
    },
  });
  const dispose = async () => {
    await warehouse.close();
    await stack.stop();
    await server[Symbol.asyncDispose]();
  };
  try {
    await stack.start(signal);
  } catch (error) {
    await dispose();
    throw error;
  }
  return {
    stack,
    settings,
    warehouse,
    databaseUrl: adminUrl,
    connect,
    disconnect,
    [Symbol.asyncDispose]: dispose,
  };
}

/**
 * A stack that captures one table.
 *
 * @param first - statements that write a first row, so that topic, schema and table are there
 * @param sources - captures of it
 */
export async function capturing(
  table: string,
  first: readonly string[] = [],
  sources: readonly string[] = [SOURCE],
): Promise<BenchStack> {
  const bench = await startBenchStack(Object.fromEntries(sources.map((source) => [source, ''])));
  try {
    const client = new pg.Client({ connectionString: bench.databaseUrl });
    await client.connect();
    for (const statement of [table, ...first]) await client.query(statement);
    await client.end();
    for (const source of sources) await bench.connect(source);
    return bench;
  } catch (error) {
    await bench[Symbol.asyncDispose]();
    throw error;
  }
}
