import { writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { connectLocalWarehouse } from '../cli/local-environment.ts';
import { connectSources } from '../cli/up/connect-sources.ts';
import { warehouseProcess } from '../local/node-processes.ts';
import { registryProcess } from '../local/registry.ts';
import { writeProperties } from '../local/secrets.ts';
import { portOf, statePath } from '../local/settings.ts';
import type { SupervisedProcess } from '../local/supervised-process.ts';
import { parseCatalog } from '../pipeline/catalog/parse-catalog.ts';
import type { Warehouse } from '../pipeline/sink/clickhouse-client.ts';
import { startPostgres } from '../pipeline/testing/postgres-server.ts';
import { verifyTable } from '../pipeline/verify/verify-table.ts';
import { count, type Bench } from './bench.ts';
import { CleanUp } from './clean-up.ts';
import { clusterBroker, clusterBrokers, clusterWorker, workerUrl } from './cluster-processes.ts';
import { ProcessSet } from './process-set.ts';
import type { Figure } from './report.ts';
import { benchSettings, countChanges, numberedPipeline, untilStored } from './rig.ts';

const BROKERS = 3;
const WORKERS = 2;
const PIPELINES = 4;
const SOURCES = ['first', 'second', 'third', 'fourth'];
const TABLE = 'events';
const TICK_MS = 100;
const POLL_MS = 100;
const DEADLINE_MS = 180_000;
const signal = new AbortController().signal;

/** Three brokers, two Connect workers, four pipeline processes; one of each is killed under load. */
export const CLUSTER: Bench = {
  peers: [],
  isQuick: false,
  async run(quick, say) {
    const rate = quick ? 20 : 100;
    const restMs = quick ? 3_000 : 10_000;
    await using cleanUp = new CleanUp();
    const cluster = await start(cleanUp, say);
    const { warehouse, database } = cluster;
    const load = new Load(database, rate);
    cleanUp.defer(() => load.stop());
    await untilFresh(warehouse, Date.now());
    say(`changes of ${SOURCES.length} sources flow, ${rate} commits/s to each`);
    const figures: Figure[] = [];
    for (const [what, victim] of cluster.victims) {
      await delay(restMs);
      const killedAt = Date.now();
      await victim.kill({ restart: false });
      await untilFresh(warehouse, killedAt);
      const seconds = (Date.now() - killedAt) / 1_000;
      say(`${what} killed: the others had taken over after ${seconds.toFixed(1)} s`);
      figures.push({ what, column: 'taken over after', unit: 's', runs: [seconds] });
      await victim.start();
    }
    const committed = await load.stop();
    const expected = committed * SOURCES.length;
    await untilStored(async () => countChanges(warehouse), expected, DEADLINE_MS);
    for (const source of SOURCES) await verify(source, database, warehouse, committed);
    say(`${count(expected)} changes: each stored once, every row equal`);
    return {
      title: `${BROKERS} brokers, ${WORKERS} Connect workers, ${PIPELINES} pipeline processes; one killed`,
      figures,
      ratios: [],
      drawn: 's',
      notes: [
        `Killed under ${rate * SOURCES.length} changes/s of ${SOURCES.length} sources, without a word and one after the other; from the kill until changes of all sources that were committed after it could be queried.`,
        `Afterwards all ${count(expected)} changes were in the warehouse, each once, and every row equal.`,
      ],
    };
  },
};

/** What runs, and what is to be killed. */
interface Cluster {
  readonly warehouse: Warehouse;
  readonly database: pg.Pool;
  readonly victims: readonly (readonly [what: string, victim: SupervisedProcess])[];
}

async function start(cleanUp: CleanUp, say: (text: string) => void): Promise<Cluster> {
  const settings = benchSettings();
  const server = cleanUp.use(await startPostgres({ walLevel: 'logical', dedicated: true }));
  const { adminUrl } = await server.createDatabase('bench');
  const database = new pg.Pool({ connectionString: adminUrl, max: 4 });
  cleanUp.defer(() => database.end());
  await database.query(
    `CREATE TABLE ${TABLE} (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, number int NOT NULL, name text NOT NULL)`,
  );
  const processes = cleanUp.use(await ProcessSet.open(settings));
  const text = `sources:\n${SOURCES.map((name) => `  - { name: ${name}, url: '\${BENCH_URL}', tables: [public.*], first_load: snapshot }\n`).join('')}`;
  writeFileSync(settings.catalogPath, text);
  await writeProperties(statePath(settings, 'secrets'), 'registry', {
    url: `http://127.0.0.1:${portOf(settings, 'registry')}/apis/registry/v2`,
  });
  const addresses = clusterBrokers(settings, BROKERS);
  const [brokers] = await Promise.all([
    Promise.all(addresses.map((_, node) => processes.run(clusterBroker(settings, node, BROKERS)))),
    processes.run(registryProcess(settings)),
    processes.run(warehouseProcess(settings)),
  ]);
  say(`${BROKERS} brokers, registry and warehouse run`);
  const workers: SupervisedProcess[] = [];
  for (let number = 0; number < WORKERS; number += 1) {
    workers.push(await processes.run(clusterWorker(settings, number, addresses)));
  }
  say(`${WORKERS} Connect workers run`);
  const urls = { BENCH_URL: adminUrl };
  const pipelines = await Promise.all(
    Array.from({ length: PIPELINES }, (_, number) => {
      const spec = numberedPipeline(settings, urls, number);
      return processes.run({ ...spec, env: { ...spec.env, KAFKA_BROKERS: addresses.join(',') } });
    }),
  );
  say(`${PIPELINES} pipeline processes run`);
  const warehouse = connectLocalWarehouse(settings, 'bench');
  cleanUp.defer(() => warehouse.close());
  await connectSources({
    catalog: parseCatalog(text, settings.catalogPath, urls),
    connectUrl: workerUrl(settings, 0),
    secretsDir: statePath(settings, 'secrets'),
    adminUrls: new Map(),
    signal,
  });
  const [broker, worker, pipeline] = [brokers[0], workers[1], pipelines[0]];
  if (broker === undefined || worker === undefined || pipeline === undefined) {
    throw new Error('something was not started');
  }
  return {
    warehouse,
    database,
    victims: [
      ['a pipeline process', pipeline],
      ['a Connect worker', worker],
      ['a broker', broker],
    ],
  };
}

/** Commits single rows, some of them changed again, until it is stopped. */
class Load {
  readonly #database: pg.Pool;
  readonly #done: Promise<void>;
  #stopped = false;
  #committed = 0;

  constructor(database: pg.Pool, rate: number) {
    this.#database = database;
    this.#done = this.#run(Math.ceil((rate * TICK_MS) / 1_000));
  }

  /** @returns the changes that were committed */
  async stop(): Promise<number> {
    this.#stopped = true;
    await this.#done;
    return this.#committed;
  }

  async #run(perTick: number): Promise<void> {
    while (!this.#stopped) {
      const began = performance.now();
      for (let place = 0; place < perTick; place += 1) {
        await this.#database.query(
          this.#committed % 3 === 2
            ? `UPDATE ${TABLE} SET number = number + 1 WHERE id = (SELECT max(id) FROM ${TABLE})`
            : `INSERT INTO ${TABLE} (number, name) VALUES (${this.#committed}, 'somebody')`,
        );
        this.#committed += 1;
      }
      await delay(Math.max(0, TICK_MS - (performance.now() - began)));
    }
  }
}

/** Resolves when changes of every source are visible that were committed after a moment. */
async function untilFresh(warehouse: Warehouse, afterMs: number): Promise<void> {
  const deadline = Date.now() + DEADLINE_MS;
  const newest = SOURCES.map(
    (source) =>
      `(SELECT max(toUnixTimestamp64Milli(_committed_at)) FROM changes.${source}__${TABLE})`,
  );
  for (;;) {
    const found = await warehouse
      .query({
        query: `SELECT toFloat64(least(${newest.join(', ')})) AS newest`,
        format: 'JSONEachRow',
      })
      .then(async (result) => (await result.json<{ newest: number }>())[0]?.newest ?? 0)
      // The tables are not there yet.
      .catch(() => 0);
    if (found > afterMs) return;
    if (Date.now() > deadline) throw new Error('changes do not flow again');
    await delay(POLL_MS);
  }
}

async function verify(
  source: string,
  database: pg.Pool,
  warehouse: Warehouse,
  committed: number,
): Promise<void> {
  const client = await database.connect();
  try {
    const found = await verifyTable({ source, schema: 'public', table: TABLE }, client, warehouse, {
      signal,
      catchUp: async () => undefined,
    });
    if (found.different > 0 || found.missing > 0 || found.sourceRows === 0 || committed === 0) {
      throw new Error(`${source}: ${found.different} rows differ, ${found.missing} are missing`);
    }
  } finally {
    client.release();
  }
}
