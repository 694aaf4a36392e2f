import { resolve } from 'node:path';
import { THREADS } from '../warehouse/embedded/limits.ts';
import { answersHttp } from './health.ts';
import type { ServiceDatabase } from './postgres.ts';
import {
  portOf,
  ROOT,
  READ_MODEL,
  SHOP_SERVICES,
  statePath,
  type LocalSettings,
  type ShopDatabase,
} from './settings.ts';
import type { ProcessSpec } from './process-spec.ts';
import { keptPassword } from './secrets.ts';

/** Runs a program of this checkout. */
const RUN = resolve(ROOT, 'local', 'run.mjs');

function nodeProcess(
  settings: LocalSettings,
  name: string,
  entry: string,
  env: Readonly<Record<string, string>>,
  rest: Pick<ProcessSpec, 'isHealthy'> & Partial<ProcessSpec>,
): ProcessSpec {
  return {
    name,
    command: process.execPath,
    args: [RUN, entry],
    env: { ...settings.baseEnv, ...env },
    cwd: ROOT,
    logFile: statePath(settings, 'logs', `${name}.log`),
    startTimeoutMs: 60_000,
    graceMs: 20_000,
    ...rest,
  };
}

/** The embedded warehouse. */
export function warehouseProcess(settings: LocalSettings): ProcessSpec {
  const port = portOf(settings, 'warehouse');
  return nodeProcess(
    settings,
    'warehouse',
    'warehouse/embedded/main.ts',
    {
      CLICKHOUSE_DATA_DIR: statePath(settings, 'clickhouse'),
      CLICKHOUSE_HTTP_PORT: String(port),
      // Else it would start itself a second time to get as many.
      UV_THREADPOOL_SIZE: String(THREADS),
    },
    { isHealthy: () => answersHttp(`http://127.0.0.1:${port}/ping`), graceMs: 30_000 },
  );
}

/** The pipeline. */
export function transformerProcess(
  settings: LocalSettings,
  sourceUrls: Readonly<Record<string, string>>,
): ProcessSpec {
  const port = portOf(settings, 'transformer');
  return nodeProcess(
    settings,
    'transformer',
    'pipeline/bin/transformer.ts',
    {
      ...sourceUrls,
      // Ours may be relative to where the command was called.
      TRIBUTARY_CONFIG: resolve(settings.catalogPath),
      ...brokerOf(settings),
      CLICKHOUSE_URL: `http://127.0.0.1:${portOf(settings, 'warehouse')}`,
      CONNECT_URL: `http://127.0.0.1:${portOf(settings, 'connect')}`,
      METRICS_PORT: String(port),
    },
    { isHealthy: () => answersHttp(`http://127.0.0.1:${port}/health`), graceMs: 25_000 },
  );
}

/** Compares copies with their owners. */
export function driftMonitorProcess(
  settings: LocalSettings,
  sourceUrls: Readonly<Record<string, string>>,
): ProcessSpec {
  const port = portOf(settings, 'drift-monitor');
  return nodeProcess(
    settings,
    'drift-monitor',
    'pipeline/bin/drift-monitor.ts',
    {
      ...sourceUrls,
      TRIBUTARY_CONFIG: resolve(settings.catalogPath),
      KAFKA_BROKERS: `127.0.0.1:${portOf(settings, 'kafka')}`,
      CLICKHOUSE_URL: `http://127.0.0.1:${portOf(settings, 'warehouse')}`,
      METRICS_PORT: String(port),
    },
    // A round may be waiting for the warehouse to catch up.
    { isHealthy: () => answersHttp(`http://127.0.0.1:${port}/health`) },
  );
}

/** The pages over the warehouse. */
export async function dashboardsProcess(
  settings: LocalSettings,
  sourceUrls: Readonly<Record<string, string>>,
): Promise<ProcessSpec> {
  const port = portOf(settings, 'dashboards');
  const token = await keptPassword(statePath(settings, 'secrets'), OPERATOR);
  return nodeProcess(
    settings,
    'dashboards',
    'dashboards/server/main.ts',
    {
      ...sourceUrls,
      TRIBUTARY_CONFIG: resolve(settings.catalogPath),
      DASHBOARDS_PORT: String(port),
      KAFKA_BROKERS: `127.0.0.1:${portOf(settings, 'kafka')}`,
      CLICKHOUSE_URL: `http://127.0.0.1:${portOf(settings, 'warehouse')}`,
      PIPELINE_HEALTH_URL: `http://127.0.0.1:${portOf(settings, 'transformer')}/health`,
      CONNECT_URL: `http://127.0.0.1:${portOf(settings, 'connect')}`,
      OPERATOR_TOKEN: token.reveal(),
    },
    { isHealthy: () => answersHttp(`http://127.0.0.1:${port}/health`) },
  );
}

const OPERATOR = 'operator';

/** Where the token of the page of operations is kept. */
export function operatorTokenPath(settings: LocalSettings): string {
  return statePath(settings, 'secrets', `${OPERATOR}.password`);
}

/** Services that read the events of others. */
export const EVENT_READERS: readonly ShopDatabase[] = ['orders', READ_MODEL];

function brokerOf(settings: LocalSettings): Record<string, string> {
  return {
    KAFKA_BROKERS: `127.0.0.1:${portOf(settings, 'kafka')}`,
    REGISTRY_URL: `http://127.0.0.1:${portOf(settings, 'registry')}/apis/ccompat/v7`,
  };
}

/** One service of the sample shop. */
export function shopServiceProcess(
  settings: LocalSettings,
  service: ShopDatabase,
  database: ServiceDatabase,
): ProcessSpec {
  const port = portOf(settings, `service-${service}`);
  return nodeProcess(
    settings,
    `service-${service}`,
    `services/${service}/main.ts`,
    {
      ...peerUrls(settings, service),
      ...(EVENT_READERS.includes(service) ? brokerOf(settings) : {}),
      PORT: String(port),
      DATABASE_URL: database.serviceUrl.reveal(),
    },
    { isHealthy: () => answersHttp(`http://127.0.0.1:${port}/health/ready`) },
  );
}

/** The shop's gateway; it has no database. */
export function gatewayProcess(settings: LocalSettings): ProcessSpec {
  const port = portOf(settings, 'service-gateway');
  return nodeProcess(
    settings,
    'service-gateway',
    'services/gateway/main.ts',
    { ...peerUrls(settings), PORT: String(port) },
    { isHealthy: () => answersHttp(`http://127.0.0.1:${port}/health/ready`) },
  );
}

/** How much the traffic generator does. */
export interface Traffic {
  /** One of services/traffic/profiles.ts. */
  readonly profile: string;
  /** Actions per second; undefined leaves it to the profile. */
  readonly rate: number | undefined;
  /** Actions after which it is done; 0 means never. */
  readonly actions: number;
  readonly seed: number;
}

/** The shop's customers. */
export function trafficProcess(settings: LocalSettings, traffic: Traffic): ProcessSpec {
  return nodeProcess(
    settings,
    'traffic',
    'services/traffic/main.ts',
    {
      ...peerUrls(settings),
      TRAFFIC_PROFILE: traffic.profile,
      ...(traffic.rate === undefined ? {} : { TRAFFIC_RATE: String(traffic.rate) }),
      TRAFFIC_ACTIONS: String(traffic.actions),
      TRAFFIC_SEED: String(traffic.seed),
    },
    { isHealthy: async () => true, mayFinish: true },
  );
}

/** `USERS_URL` and so on, of every service but the one itself. */
export function peerUrls(settings: LocalSettings, except?: ShopDatabase): Record<string, string> {
  return Object.fromEntries(
    SHOP_SERVICES.filter((service) => service !== except).map((service) => [
      `${service.toUpperCase()}_URL`,
      `http://127.0.0.1:${portOf(settings, `service-${service}`)}`,
    ]),
  );
}
