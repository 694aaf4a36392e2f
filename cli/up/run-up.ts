import type { Secret } from '#runtime/config.ts';
import { TributaryError } from '#runtime/errors.ts';
import { createLogger } from '#runtime/log.ts';
import { operatorTokenPath, type Traffic } from '../../local/node-processes.ts';
import { SHOP_DATABASES, portOf, statePath, type LocalSettings } from '../../local/settings.ts';
import { resetState, Stack } from '../../local/stack.ts';
import type { Catalog } from '../../pipeline/catalog/catalog.ts';
import { loadCatalog } from '../../pipeline/catalog/load-catalog.ts';
import type { Warehouse } from '../../pipeline/sink/clickhouse-client.ts';
import { createKafka } from '../../pipeline/source/kafka-client.ts';
import { agrees } from '../../pipeline/verify/verify-table.ts';
import {
  connectLocalWarehouse,
  localAddresses,
  shopAdminUrls,
  shopSourceUrls,
} from '../local-environment.ts';
import { showProgress } from '../first-load/progress-line.ts';
import { createTurn } from '../../pipeline/resync/turn.ts';
import { serveRequests } from '../resync/serve-requests.ts';
import { describeAgreement, describeComparisons, waitUntilEqual } from './compare-sources.ts';
import { connectSources } from './connect-sources.ts';
import { LiveLine } from './live-line.ts';
import { watchSources } from './watch-sources.ts';

/** What `tributary up` was asked for. */
export interface UpOptions {
  readonly settings: LocalSettings;
  readonly shop: boolean;
  readonly reset: boolean;
  readonly once: boolean;
  /** What the shop's customers are like, of services/traffic/profiles.ts. */
  readonly traffic: string;
  /** Their actions per second; undefined leaves it to the profile. */
  readonly rate: number | undefined;
  /** The same seed plans the same actions. */
  readonly seed: number;
  readonly env: NodeJS.ProcessEnv;
  readonly out: NodeJS.WriteStream;
  readonly signal: AbortSignal;
}

/** What a bounded run lets through before it compares. */
const ACTIONS_OF_ONCE = 400;
const RATE_OF_ONCE = 60;
const ONCE_DEADLINE_MS = 120_000;
const RESYNC_DEADLINE_MS = 600_000;
/** Settings of the pipeline that a person may need to change for one run. */
const PIPELINE_SETTINGS = ['DEAD_LETTER_LIMIT', 'DEAD_LETTER_WINDOW_SECONDS'];

/**
 * Runs the local stack until `signal` aborts, or with `once` until a bounded amount of traffic has
 * arrived in the warehouse.
 *
 * @throws TributaryError `WAREHOUSE_DIFFERS` when it has not, and whatever keeps it from running
 */
export async function runUp(options: UpOptions): Promise<void> {
  const { settings, shop, reset, once, out, signal } = options;
  const say = (text: string) => out.write(`${text}\n`);
  if (reset) {
    await resetState(settings);
    say('all data removed');
  }
  const shopUrls = shop ? await shopSourceUrls(settings) : {};
  const catalog = await loadCatalog(settings.catalogPath, { ...options.env, ...shopUrls });
  const failed = new AbortController();
  const client = connectLocalWarehouse(settings, 'tributary-up');
  const kafka = createKafka({
    clientId: 'tributary-up',
    brokers: (localAddresses(settings)['KAFKA_BROKERS'] ?? '').split(','),
    log: createLogger('up', 'silent'),
  });
  const adminUrls = async () => (shop ? shopAdminUrls(settings) : new Map<string, Secret>());
  const began = Date.now();
  const stack = new Stack({
    settings,
    shop,
    traffic: shop ? trafficOf(options) : undefined,
    sourceUrls: {
      ...variables(catalog.variables, options.env),
      ...variables(PIPELINE_SETTINGS, options.env),
      ...shopUrls,
    },
    applyConnectors: async (abort) => {
      await connectSources({
        catalog,
        connectUrl: localAddresses(settings)['CONNECT_URL'] ?? '',
        secretsDir: statePath(settings, 'secrets'),
        adminUrls: await adminUrls(),
        firstLoad: {
          warehouse: client,
          kafka,
          say,
          onProgress: showProgress(out),
        },
        signal: abort,
      });
    },
    onProgress: ({ what, tookMs }) =>
      say(
        tookMs === undefined
          ? `  ${what}`
          : `  ${what.padEnd(22)} ${(tookMs / 1000).toFixed(1).padStart(5)} s`,
      ),
    onFailure: (error) => failed.abort(error),
  });
  const line = new LiveLine(
    client,
    catalog.sources.map(({ name }) => name),
    out,
  );
  const ended = new AbortController();
  let watching: Promise<unknown> = Promise.resolve();
  try {
    say(`starting (data and logs in ${settings.stateDir})`);
    await stack.start(AbortSignal.any([signal, failed.signal]));
    say(`ready after ${((Date.now() - began) / 1000).toFixed(0)} s`);
    const watched = AbortSignal.any([signal, failed.signal, ended.signal]);
    const sources = watchSources({
      catalog,
      connectUrl: localAddresses(settings)['CONNECT_URL'] ?? '',
      adminUrls: await adminUrls(),
      say: (text) => line.say(text),
      signal: watched,
    });
    const requests = serveRequests(
      catalog,
      {
        warehouse: client,
        kafka,
        groupId: 'tributary',
        deadlineMs: RESYNC_DEADLINE_MS,
        turn: createTurn(),
        signal: watched,
      },
      (text) => line.say(text),
    );
    watching = Promise.all([sources, requests]);
    if (once) {
      await runOnce(stack, catalog, client, {
        out,
        signal: AbortSignal.any([signal, failed.signal]),
        shop,
      });
      return;
    }
    say(welcome(settings, shop));
    line.start();
    await aborted(AbortSignal.any([signal, failed.signal]));
    failed.signal.throwIfAborted();
  } catch (error) {
    // What was asked for is not a failure; what made the stack give up is the better reason.
    if (failed.signal.aborted) throw failed.signal.reason;
    if (!signal.aborted) throw error;
  } finally {
    line.stop();
    ended.abort();
    say('stopping');
    await watching;
    await client.close();
    await stack.stop();
    say('stopped');
  }
}

async function runOnce(
  stack: Stack,
  catalog: Catalog,
  client: Warehouse,
  { out, signal, shop }: { out: NodeJS.WriteStream; signal: AbortSignal; shop: boolean },
): Promise<void> {
  const began = Date.now();
  if (shop) {
    await Promise.race([stack.process('traffic').finished, aborted(signal)]);
    signal.throwIfAborted();
    out.write(`traffic done after ${((Date.now() - began) / 1000).toFixed(0)} s, comparing\n`);
  }
  const comparisons = await waitUntilEqual(catalog, client, ONCE_DEADLINE_MS, signal);
  out.write(`\n${describeComparisons(comparisons)}\n\n`);
  const differing = comparisons.filter((comparison) => !agrees(comparison));
  if (differing.length > 0) {
    throw new TributaryError(
      'WAREHOUSE_DIFFERS',
      `${differing.length} of ${comparisons.length} tables differ after ${ONCE_DEADLINE_MS / 1000} s`,
    );
  }
  out.write(`${describeAgreement(comparisons)}\n`);
}

function trafficOf({ once, traffic: profile, rate, seed }: UpOptions): Traffic {
  return once
    ? { profile, rate: rate ?? RATE_OF_ONCE, actions: ACTIONS_OF_ONCE, seed }
    : { profile, rate, actions: 0, seed };
}

/** Those of these variables that are set; the transformer reads the same catalog. */
function variables(names: readonly string[], env: NodeJS.ProcessEnv): Record<string, string> {
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = env[name];
      return value === undefined ? [] : [[name, value] as const];
    }),
  );
}

function welcome(settings: LocalSettings, shop: boolean): string {
  const { CLICKHOUSE_URL, CONNECT_URL } = localAddresses(settings);
  const services = [...SHOP_DATABASES, 'gateway' as const].map(
    (service) =>
      `  ${service.padEnd(13)} http://127.0.0.1:${portOf(settings, `service-${service}`)}`,
  );
  return [
    '',
    `  dashboards    http://127.0.0.1:${portOf(settings, 'dashboards')}  (and a page to write SQL on)`,
    `                to operate on its page: the token in ${operatorTokenPath(settings)}`,
    `  warehouse     ${CLICKHOUSE_URL}  (ClickHouse over HTTP; user analyst may read)`,
    `  pipeline      http://127.0.0.1:${portOf(settings, 'transformer')}/metrics`,
    `  connect       ${CONNECT_URL}`,
    ...(shop ? services : []),
    '',
    ...(shop
      ? [
          'try a join across two services:',
          '',
          `  curl '${CLICKHOUSE_URL}/?user=analyst' --data-binary "SELECT o.id, o.total, u.name, u.email \\`,
          `    FROM orders.orders o JOIN users.users u ON o.user_id = u.id \\`,
          `    WHERE o.status = 'paid' LIMIT 5 FORMAT PrettyCompact"`,
          '',
        ]
      : []),
    'Ctrl-C stops everything; data stays. In another terminal: npx tributary status',
    '',
  ].join('\n');
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
