import { mkdir, rm, statfs } from 'node:fs/promises';
import type { Secret } from '#runtime/config.ts';
import { TributaryError } from '#runtime/errors.ts';
import { connectProcess } from './connect.ts';
import { acceptsConnections } from './health.ts';
import { kafkaProcess } from './kafka.ts';
import {
  dashboardsProcess,
  driftMonitorProcess,
  gatewayProcess,
  shopServiceProcess,
  trafficProcess,
  transformerProcess,
  warehouseProcess,
  type Traffic,
} from './node-processes.ts';
import { pathExists } from './path-exists.ts';
import {
  adminUrlOf,
  createServiceDatabase,
  postgresProcess,
  serviceDatabase,
  type ServiceDatabase,
} from './postgres.ts';
import { registryProcess } from './registry.ts';
import { RunRecords } from './run-records.ts';
import { writeProperties } from './secrets.ts';
import {
  portOf,
  SHOP_DATABASES,
  SHOP_SERVICES,
  statePath,
  type LocalSettings,
  type PortName,
  type ShopDatabase,
  type ShopService,
} from './settings.ts';
import type { ProcessSpec } from './process-spec.ts';
import { SupervisedProcess } from './supervised-process.ts';

/** What to run. */
export interface StackOptions {
  readonly settings: LocalSettings;
  /** The sample shop's services with their Postgres servers. */
  readonly shop: boolean;
  /** Customers of the shop; they come last, once changes flow. */
  readonly traffic?: Traffic | undefined;
  /** Variables that the catalog's urls refer to, beyond the shop's own. */
  readonly sourceUrls: Readonly<Record<string, string>>;
  /** Settings of Connect's worker, beyond those that every worker has. */
  readonly workerSettings?: Readonly<Record<string, string>>;
  /** Makes the connectors run; called when Connect, the registry and the shop's tables are there. */
  readonly applyConnectors: (signal: AbortSignal) => Promise<void>;
  readonly onProgress: (progress: StackProgress) => void;
  /** A process was given up. */
  readonly onFailure: (error: TributaryError) => void;
}

/** What `start` is doing. */
export interface StackProgress {
  readonly what: string;
  /** How long it took, in milliseconds; undefined when it has only begun. */
  readonly tookMs?: number;
}

const LEAST_FREE_BYTES = 2 * 1024 ** 3;

/** The whole system as processes on one machine. */
export class Stack {
  readonly #options: StackOptions;
  readonly #records: RunRecords;
  /** In the order of their start. */
  readonly #processes: SupervisedProcess[] = [];
  /** Aborts what still starts when something else could not. */
  readonly #startFailed = new AbortController();
  #owned = false;

  constructor(options: StackOptions) {
    this.#options = options;
    this.#records = new RunRecords(statePath(options.settings, 'run'));
  }

  /**
   * Starts everything, side by side where one part does not need the other.
   *
   * @throws TributaryError `STACK_FAILED`, `PORT_TAKEN`, and whatever the connectors fail with; what
   * was started is still running then: call {@link stop}
   */
  async start(stop: AbortSignal): Promise<void> {
    const signal = AbortSignal.any([stop, this.#startFailed.signal]);
    const { settings, shop, traffic, sourceUrls, workerSettings } = this.#options;
    await mkdir(settings.stateDir, { recursive: true });
    await this.#records.takeOwnership();
    this.#owned = true;
    const leftovers = await this.#records.clearLeftovers(STOP_LAYERS);
    if (leftovers.length > 0) {
      this.#options.onProgress({
        what: `ended leftovers of an earlier run: ${leftovers.join(', ')}`,
      });
    }
    await checkDisk(settings);
    await checkPorts(settings, shop);
    // Connectors find the registry by this, whatever port it has.
    await writeProperties(statePath(settings, 'secrets'), 'registry', {
      url: `http://127.0.0.1:${portOf(settings, 'registry')}/apis/registry/v2`,
    });
    const run = (spec: Promise<ProcessSpec> | ProcessSpec) => this.#run(spec, signal);

    const kafka = run(kafkaProcess(settings));
    const registry = run(registryProcess(settings));
    const warehouse = run(warehouseProcess(settings));
    const connect = kafka.then(() => run(connectProcess(settings, workerSettings)));
    const services = shop
      ? SHOP_DATABASES.map((service) => this.#startService(service, signal))
      : [];
    const transformer = all([kafka, registry, warehouse]).then(() =>
      run(transformerProcess(settings, sourceUrls)),
    );
    const connectors = all([connect, registry, warehouse, ...services]).then(() =>
      this.#connect(signal),
    );
    const gateway = shop ? [run(gatewayProcess(settings))] : [];
    // With nothing to show yet they say so; they are there as long as anything is.
    const dashboards = warehouse.then(() => run(dashboardsProcess(settings, sourceUrls)));
    const drift = transformer.then(() => run(driftMonitorProcess(settings, sourceUrls)));
    await all([connectors, transformer, drift, dashboards, ...services, ...gateway]);
    if (traffic !== undefined) await run(trafficProcess(settings, traffic));
  }

  /** Stops everything in the reverse order of its start. */
  async stop(): Promise<void> {
    // Those that started last need those before them: one layer after the other.
    for (const layer of STOP_LAYERS) {
      const members = this.#processes.filter(({ name }) => layer.test(name));
      await Promise.all(members.map((member) => member.stop()));
    }
    if (this.#owned) await this.#records.releaseOwnership();
    this.#owned = false;
  }

  get processes(): readonly SupervisedProcess[] {
    return this.#processes;
  }

  /** A process by its name. @throws Error when the stack has none of this name */
  process(name: string): SupervisedProcess {
    const found = this.#processes.find((candidate) => candidate.name === name);
    if (found === undefined) throw new Error(`the stack has no process ${name}`);
    return found;
  }

  async #startService(service: ShopDatabase, signal: AbortSignal): Promise<void> {
    const { settings } = this.#options;
    const database = await serviceDatabase(settings, service);
    await this.#run(postgresProcess(settings, service), signal);
    await createServiceDatabase(database, service);
    await this.#run(shopServiceProcess(settings, service, database), signal);
  }

  async #connect(signal: AbortSignal): Promise<void> {
    const began = Date.now();
    signal.throwIfAborted();
    await this.#options.applyConnectors(signal);
    this.#options.onProgress({ what: 'connectors', tookMs: Date.now() - began });
  }

  async #run(spec: Promise<ProcessSpec> | ProcessSpec, signal: AbortSignal): Promise<void> {
    const began = Date.now();
    try {
      const child = new SupervisedProcess(await spec, this.#records, this.#options.onFailure);
      signal.throwIfAborted();
      this.#processes.push(child);
      await child.start(signal);
      this.#options.onProgress({ what: child.name, tookMs: Date.now() - began });
    } catch (error) {
      // Nobody wants to wait for the others then. The first reason is the one that is told.
      this.#startFailed.abort(error);
      throw error;
    }
  }
}

/** Reverse order of dependence: nobody loses what it needs before it has stopped itself. */
const STOP_LAYERS = [
  /^(traffic|dashboards|drift-monitor)$/,
  /^service-/,
  /^transformer$/,
  /^connect$/,
  /^(registry|warehouse|postgres-.*)$/,
  /^kafka$/,
];

/** URLs of the shop's databases, by service. */
export async function shopDatabases(
  settings: LocalSettings,
): Promise<ReadonlyMap<ShopService, ServiceDatabase & { readonly ownAdminUrl: Secret }>> {
  const entries = await Promise.all(
    SHOP_SERVICES.map(async (service) => {
      const database = await serviceDatabase(settings, service);
      return [service, { ...database, ownAdminUrl: adminUrlOf(database, service) }] as const;
    }),
  );
  return new Map(entries);
}

/** What a start makes in the state folder, beside secrets, jars, logs and records. */
const DATA = ['pg', 'kafka', 'registry', 'connect', 'clickhouse'];

/**
 * Removes all data of a state folder, and the passwords that belong to it; jars and logs stay.
 *
 * @throws TributaryError `STACK_FAILED` while it is in use, and when the folder is not one of ours
 */
export async function resetState(settings: LocalSettings): Promise<void> {
  const data = DATA.map((name) => statePath(settings, name));
  if (!(await Promise.all(data.map(pathExists))).includes(true)) return;
  if (!(await pathExists(statePath(settings, 'secrets', 'registry.properties')))) {
    throw new TributaryError(
      'STACK_FAILED',
      `${settings.stateDir} was not made by Tributary, so nothing in it was removed`,
      { fix: 'Give Tributary a folder of its own: TRIBUTARY_STATE_DIR.' },
    );
  }
  const records = new RunRecords(statePath(settings, 'run'));
  await records.takeOwnership();
  try {
    await records.clearLeftovers(STOP_LAYERS);
    await Promise.all(data.map((path) => rm(path, { recursive: true, force: true })));
    // Last: without it the folder would no longer be known as ours.
    await rm(statePath(settings, 'secrets'), { recursive: true, force: true });
  } finally {
    await records.releaseOwnership();
  }
}

/** Waits for all, also when one fails, so that nothing is still starting when `stop` is called. */
async function all(parts: readonly Promise<unknown>[]): Promise<void> {
  const outcomes = await Promise.allSettled(parts);
  const failed = outcomes.find((outcome) => outcome.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}

async function checkDisk(settings: LocalSettings): Promise<void> {
  const { bavail, bsize } = await statfs(settings.stateDir);
  const free = bavail * bsize;
  if (free >= LEAST_FREE_BYTES) return;
  throw new TributaryError(
    'STACK_FAILED',
    `the disk of ${settings.stateDir} has ${Math.floor(free / 1024 ** 2)} MB free, too little to start`,
    {
      fix: 'Free at least 2 GB, or put the data elsewhere: TRIBUTARY_STATE_DIR.',
    },
  );
}

async function checkPorts(settings: LocalSettings, shop: boolean): Promise<void> {
  const common: PortName[] = [
    'kafka',
    'kafka-controller',
    'registry',
    'connect',
    'warehouse',
    'transformer',
    'dashboards',
    'drift-monitor',
  ];
  const ofShop = SHOP_DATABASES.flatMap((service): PortName[] => [
    `postgres-${service}`,
    `service-${service}`,
  ]);
  const names = [...common, ...(shop ? [...ofShop, 'service-gateway' as const] : [])];
  const taken = (
    await Promise.all(
      names.map(async (name) =>
        (await acceptsConnections(portOf(settings, name)))
          ? [`${portOf(settings, name)} (${name})`]
          : [],
      ),
    )
  ).flat();
  if (taken.length === 0) return;
  throw new TributaryError('PORT_TAKEN', `another program listens on port ${taken.join(', ')}`);
}
