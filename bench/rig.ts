import { writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { connectLocalWarehouse, localAddresses } from '../cli/local-environment.ts';
import { answersHttp } from '../local/health.ts';
import { kafkaProcess } from '../local/kafka.ts';
import { transformerProcess, warehouseProcess } from '../local/node-processes.ts';
import type { ProcessSpec } from '../local/process-spec.ts';
import { registryProcess } from '../local/registry.ts';
import { loadLocalSettings, portOf, statePath, type LocalSettings } from '../local/settings.ts';
import type { SupervisedProcess } from '../local/supervised-process.ts';
import type { Warehouse } from '../pipeline/sink/clickhouse-client.ts';
import { startPostgres } from '../pipeline/testing/postgres-server.ts';
import { CleanUp } from './clean-up.ts';
import { MadeUpSources, TABLE_DEFINITION } from './made-up-sources.ts';
import { ProcessSet } from './process-set.ts';
import { STATE_FOLDERS } from './state-folder.ts';

const POLL_MS = 50;
/** Looking at a thousand tables takes a while: it rests so many times as long, not to be the load itself. */
const REST_PER_LOOK = 20;
/** Change logs of a thousand tables count for a gigabyte, see `warehouse/embedded/limits.ts`. */
const WAREHOUSE_MEMORY_MIB = '4096';

/** Sources that are alike, of one table each. */
export interface Group {
  readonly sources: number;
  readonly partitions: number;
  /** About how long a row is. */
  readonly widthBytes: number;
}

/** Kafka, registry and warehouse, with made-up sources, for pipeline processes that are measured. */
export interface Rig extends AsyncDisposable {
  readonly settings: LocalSettings;
  readonly warehouse: Warehouse;
  readonly warehouseProcess: SupervisedProcess;
  group(name: string): { readonly sources: MadeUpSources; readonly partitions: number };
  /** Changes written so far, of all groups. */
  readonly made: number;
  /** Starts a pipeline process; the first is number 0. */
  startPipeline(number: number): Promise<SupervisedProcess>;
  /** Rows of all change logs. */
  storedChanges(): Promise<number>;
  /** Resolves when the change logs hold so many rows; fails when there are more. */
  untilStored(changes: number, deadlineMs: number): Promise<void>;
}

/** Settings of the local stack in a folder and on ports of its own. */
export function benchSettings(): LocalSettings {
  const stateDir = STATE_FOLDERS.parts;
  return {
    ...loadLocalSettings({
      PATH: process.env['PATH'],
      HOME: process.env['HOME'],
      JAVA_HOME: process.env['JAVA_HOME'],
      TRIBUTARY_STATE_DIR: stateDir,
      TRIBUTARY_PORT_OFFSET: '7000',
    }),
    catalogPath: resolve(stateDir, 'bench.yaml'),
  };
}

/** A further pipeline process: the same but for its name and port. */
export function numberedPipeline(
  settings: LocalSettings,
  urls: Readonly<Record<string, string>>,
  number: number,
): ProcessSpec {
  const spec = transformerProcess(settings, urls);
  const port = portOf(settings, 'transformer') + 100 + number;
  return {
    ...spec,
    name: `transformer-${number}`,
    env: { ...spec.env, METRICS_PORT: String(port) },
    logFile: statePath(settings, 'logs', `transformer-${number}.log`),
    isHealthy: () => answersHttp(`http://127.0.0.1:${port}/health`),
  };
}

/** @param groups - by their names, which their sources' names begin with */
export async function startRig(groups: Readonly<Record<string, Group>>): Promise<Rig> {
  const settings = benchSettings();
  const cleanUp = new CleanUp();
  try {
    const server = cleanUp.use(await startPostgres({ dedicated: true }));
    const { adminUrl } = await server.createDatabase('bench');
    const client = new pg.Client({ connectionString: adminUrl });
    await client.connect();
    await client.query(TABLE_DEFINITION);
    await client.end();
    const processes = cleanUp.use(await ProcessSet.open(settings));
    const { KAFKA_BROKERS = '', REGISTRY_URL = '' } = localAddresses(settings);
    const made = new Map(
      Object.entries(groups).map(([name, { sources, partitions, widthBytes }]) => [
        name,
        {
          partitions,
          sources: new MadeUpSources({
            prefix: name,
            count: sources,
            brokers: KAFKA_BROKERS.split(','),
            widthBytes,
          }),
        },
      ]),
    );
    const names = [...made.values()].flatMap(({ sources }) => sources.names);
    const urls = { BENCH_URL: adminUrl };
    writeFileSync(
      settings.catalogPath,
      `sources:\n${names.map((name) => `  - { name: ${name}, url: '\${BENCH_URL}', tables: [public.*] }\n`).join('')}`,
    );
    const spec = warehouseProcess(settings);
    const [warehouseChild] = await Promise.all([
      processes.run({
        ...spec,
        env: { ...spec.env, CLICKHOUSE_MAX_MEMORY_MIB: WAREHOUSE_MEMORY_MIB },
      }),
      processes.run(kafkaProcess(settings)),
      processes.run(registryProcess(settings)),
    ]);
    const warehouse = connectLocalWarehouse(settings, 'bench');
    cleanUp.defer(() => warehouse.close());
    for (const { sources, partitions } of made.values()) {
      cleanUp.use(sources);
      await sources.create(partitions, REGISTRY_URL);
    }
    const storedChanges = () => countChanges(warehouse);
    return {
      settings,
      warehouse,
      warehouseProcess: warehouseChild,
      group: (name) => {
        const group = made.get(name);
        if (group === undefined) throw new Error(`there is no group ${name}`);
        return group;
      },
      get made() {
        return [...made.values()].reduce((sum, { sources }) => sum + sources.made, 0);
      },
      startPipeline: (number) => processes.run(numberedPipeline(settings, urls, number)),
      storedChanges,
      untilStored: (changes, deadlineMs) => untilStored(storedChanges, changes, deadlineMs),
      [Symbol.asyncDispose]: () => cleanUp[Symbol.asyncDispose](),
    };
  } catch (error) {
    await cleanUp[Symbol.asyncDispose]();
    throw error;
  }
}

/** Rows of all change logs: each is there once, since its place in Kafka is part of its key. */
export async function countChanges(warehouse: Warehouse): Promise<number> {
  const result = await warehouse.query({
    query: `SELECT toFloat64(sum(rows)) AS rows FROM system.parts
            WHERE active AND database = 'changes'`,
    format: 'JSONEachRow',
  });
  const [row] = await result.json<{ rows: number }>();
  return row?.rows ?? 0;
}

/**
 * Waits until exactly so many changes are stored.
 *
 * @throws Error when there are more, or still fewer after `deadlineMs`
 */
export async function untilStored(
  stored: () => Promise<number>,
  changes: number,
  deadlineMs: number,
): Promise<void> {
  const deadline = Date.now() + deadlineMs;
  for (;;) {
    const lookedAt = performance.now();
    const count = await stored();
    if (count > changes) throw new Error(`${count} changes are stored of ${changes}`);
    if (count === changes) return;
    if (Date.now() > deadline) throw new Error(`only ${count} of ${changes} changes are stored`);
    await delay(Math.max(POLL_MS, REST_PER_LOOK * (performance.now() - lookedAt)));
  }
}
