import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { signalGroup } from '../../local/process-identity.ts';
import {
  loadLocalSettings,
  portOf,
  statePath,
  type LocalSettings,
  type ShopDatabase,
} from '../../local/settings.ts';
import { serviceDatabase } from '../../local/postgres.ts';
import { shopDatabases, Stack } from '../../local/stack.ts';
import type { Catalog } from '../../pipeline/catalog/catalog.ts';
import { loadCatalog } from '../../pipeline/catalog/load-catalog.ts';
import type { Warehouse } from '../../pipeline/sink/clickhouse-client.ts';
import type { TableComparison } from '../../pipeline/verify/verify-table.ts';
import {
  connectLocalWarehouse,
  localAddresses,
  shopAdminUrls,
  shopSourceUrls,
} from '../local-environment.ts';
import { waitUntilEqual } from '../up/compare-sources.ts';
import { connectSources } from '../up/connect-sources.ts';
import { watchSources } from '../up/watch-sources.ts';
import { TEST_WORKER, testPlace } from './run-cli.ts';

const EQUAL_DEADLINE_MS = 120_000;
/** Customers' actions per second: some fifty changes, and two cores have time for what is tested. */
const RATE = 5;

/** The whole shop and its pipeline under traffic, with its processes at hand to be killed. */
export class ShopStack {
  readonly #settings: LocalSettings;
  readonly #signal: AbortSignal;
  readonly #ended = new AbortController();
  #watching: Promise<unknown> = Promise.resolve();
  readonly stack: Stack;
  readonly catalog: Catalog;
  readonly warehouse: Warehouse;
  /** With which commands find it. */
  readonly env: NodeJS.ProcessEnv;

  private constructor(parts: {
    env: NodeJS.ProcessEnv;
    settings: LocalSettings;
    signal: AbortSignal;
    stack: Stack;
    catalog: Catalog;
    warehouse: Warehouse;
  }) {
    this.#settings = parts.settings;
    this.#signal = parts.signal;
    this.stack = parts.stack;
    this.catalog = parts.catalog;
    this.warehouse = parts.warehouse;
    this.env = parts.env;
  }

  /**
   * Starts it from nothing, in a place of its own.
   *
   * @param seed - of the customers
   * @param catalog - path of another catalog than the shop's own
   * @param env - further variables that it names
   * @param onFailure - a process was given up; without it the error is nobody's, which ends a test
   */
  static async start(
    name: string,
    portOffset: number,
    options: {
      seed: number;
      onFailure?: (error: Error) => void;
      catalog?: string;
      env?: Readonly<Record<string, string>>;
      signal?: AbortSignal;
    },
  ): Promise<ShopStack> {
    const signal = options.signal ?? new AbortController().signal;
    const { catalog: ownCatalog } = options;
    const env = {
      ...(await testPlace(name, portOffset)).env,
      ...(ownCatalog === undefined ? {} : { TRIBUTARY_CONFIG: ownCatalog }),
      ...options.env,
    };
    const settings = loadLocalSettings(env);
    const urls = { ...(await shopSourceUrls(settings)), ...options.env };
    const catalog = await loadCatalog(settings.catalogPath, urls);
    const addresses = localAddresses(settings);
    const stack = new Stack({
      settings,
      shop: true,
      traffic: { profile: 'busy', rate: RATE, actions: 0, seed: options.seed },
      sourceUrls: urls,
      workerSettings: TEST_WORKER,
      applyConnectors: async (abort) => {
        await connectSources({
          catalog,
          connectUrl: addresses['CONNECT_URL'] ?? '',
          secretsDir: statePath(settings, 'secrets'),
          adminUrls: await shopAdminUrls(settings),
          signal: abort,
        });
      },
      onProgress: () => undefined,
      onFailure:
        options.onFailure ??
        ((error) => {
          throw error;
        }),
    });
    const warehouse = connectLocalWarehouse(settings, 'test');
    const shop = new ShopStack({ env, settings, signal, stack, catalog, warehouse });
    try {
      await stack.start(signal);
      // What `up` does beside the stack.
      const connectUrl = addresses['CONNECT_URL'] ?? '';
      shop.#watching = watchSources({
        catalog,
        connectUrl,
        adminUrls: await shopAdminUrls(settings),
        say: () => undefined,
        signal: shop.#ended.signal,
      });
      return shop;
    } catch (error) {
      await shop.stop();
      throw error;
    }
  }

  async stop(): Promise<void> {
    this.#ended.abort();
    await this.#watching;
    await this.stack.stop();
    await this.warehouse.close();
  }

  /** URLs of the services' databases, as their owners. */
  async databases(): ReturnType<typeof shopDatabases> {
    return shopDatabases(this.#settings);
  }

  /** Asks a service's own database, as the service. */
  async query<Row extends object>(service: ShopDatabase, sql: string): Promise<Row[]> {
    const { serviceUrl } = await serviceDatabase(this.#settings, service);
    const client = new pg.Client({ connectionString: serviceUrl.reveal() });
    await client.connect();
    try {
      return (await client.query<Row>(sql)).rows;
    } finally {
      await client.end();
    }
  }

  /** Where a service answers. */
  serviceUrl(service: ShopDatabase): string {
    return `http://127.0.0.1:${portOf(this.#settings, `service-${service}`)}`;
  }

  /** The schema registry, as Confluent's clients know it. */
  get registryUrl(): string {
    return `http://127.0.0.1:${portOf(this.#settings, 'registry')}/apis/ccompat/v7`;
  }

  /** Waits until customers have ordered something more. */
  async trafficGoesOn(): Promise<void> {
    const written = async () => {
      // Of orders alone: the stock that a new shop opens with is no traffic yet.
      const sql = 'SELECT count(*) AS n FROM reservations';
      const [row] = await this.query<{ n: string }>('inventory', sql);
      return Number(row?.n ?? 0);
    };
    const before = await written();
    while ((await written()) < before + 5) await delay(100, undefined, { signal: this.#signal });
  }

  /** Holds the customers still meanwhile. */
  async whileTrafficRests<T>(act: () => Promise<T>): Promise<T> {
    const { pid } = this.stack.process('traffic');
    if (pid === undefined) throw new Error('there is no traffic');
    signalGroup(pid, 'SIGSTOP');
    try {
      return await act();
    } finally {
      signalGroup(pid, 'SIGCONT');
    }
  }

  /** Compares every row of every table until all agree; the last comparison, whether or not they do. */
  async compare(): Promise<TableComparison[]> {
    return waitUntilEqual(this.catalog, this.warehouse, EQUAL_DEADLINE_MS, this.#signal);
  }
}
