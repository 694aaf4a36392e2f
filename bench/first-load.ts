import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { createLogger } from '#runtime/log.ts';
import { localAddresses } from '../cli/local-environment.ts';
import { resyncOne } from '../cli/resync/resync-tables.ts';
import { loadCatalog } from '../pipeline/catalog/load-catalog.ts';
import { createTurn } from '../pipeline/resync/turn.ts';
import { createKafka } from '../pipeline/source/kafka-client.ts';
import { BACKLOG_TABLE } from './drain.ts';
import { startBenchStack, type BenchStack } from './bench-stack.ts';

/** How a table's rows came into an empty warehouse; by a resync, how they were compared with all of them. */
export interface FirstLoadResult {
  readonly who: 'copy' | 'snapshot' | 'MaterializedPostgreSQL' | 'resync';
  readonly rows: number;
  /** From the order to begin to the last row that a query sees. */
  readonly seconds: number;
  readonly rowsPerSecond: number;
}

const POLL_MS = 50;
const DEADLINE_MS = 600_000;
const TABLE = 'backlog';
const ROWS_AT_ONCE = 50_000;

/**
 * Loads one table as Tributary copies it, as Debezium's snapshot brings it through Kafka and the
 * pipeline, and as ClickHouse's MaterializedPostgreSQL does, one after the other in each round; and loads
 * it anew while it is there.
 */
export async function measureFirstLoads(
  rows: number,
  rounds: number,
  report: (result: FirstLoadResult) => void,
): Promise<FirstLoadResult[]> {
  const ways = ['copy', 'snapshot'] as const;
  const names = Array.from({ length: rounds }, (_, round) =>
    ways.map((way) => [`${way}_${round}`, `first_load: ${way}`] as const),
  ).flat();
  await using bench = await startBenchStack(Object.fromEntries(names));
  const client = new pg.Client({ connectionString: bench.databaseUrl });
  await client.connect();
  try {
    await fill(client, rows);
    const results: FirstLoadResult[] = [];
    const measure = async (who: FirstLoadResult['who'], load: () => Promise<void>) => {
      const began = performance.now();
      await load();
      const seconds = (performance.now() - began) / 1_000;
      const result = { who, rows, seconds, rowsPerSecond: rows / seconds };
      results.push(result);
      report(result);
    };
    for (let round = 0; round < rounds; round += 1) {
      for (const way of ways) {
        const name = `${way}_${round}`;
        const connecting = bench.connect(name);
        await measure(way, () => untilCounted(bench, `current.${name}__${TABLE}`, rows));
        await connecting;
        if (way === 'copy') await measure('resync', () => resync(bench, name));
        await bench.disconnect(name);
      }
      await measure('MaterializedPostgreSQL', () => withEngine(bench, client, rows));
    }
    return results;
  } finally {
    await client.end();
  }
}

<<<<<<< HEAD
async function resync({ warehouse, settings, databaseUrl }: BenchStack, name: string) {
  const { sources } = await loadCatalog(settings.catalogPath, { BENCH_URL: databaseUrl });
  const source = sources.find((other) => other.name === name);
  if (source === undefined) throw new Error(`no source ${name}`);
  const { written, removed } = await resyncOne(
    source,
    { schema: 'public', table: TABLE },
    'measured',
    {
      warehouse,
      kafka: createKafka({
        clientId: 'bench-resync',
        brokers: (localAddresses(settings)['KAFKA_BROKERS'] ?? '').split(','),
        log: createLogger('bench', 'silent'),
      }),
      groupId: 'tributary',
      deadlineMs: DEADLINE_MS,
      turn: createTurn(),
      signal: new AbortController().signal,
    },
  );
  if (written + removed > 0)
    throw new Error(`${written} rows of ${name} were not as they should be`);
}

async function untilCounted(bench: BenchStack, table: string, rows: number): Promise<void> {
=======
/** Resolves when a query counts so many rows. */
export async function untilCounted(bench: BenchStack, table: string, rows: number): Promise<void> {
>>>>>>> 249f90f (Bench: one table of benches, reports with ratios and charts, README's numbers from them)
  const deadline = Date.now() + DEADLINE_MS;
  for (;;) {
    const counted = await bench.warehouse
      .query({ query: `SELECT count() AS n FROM ${table}`, format: 'JSONEachRow' })
      .then(async (result) => (await result.json<{ n: number }>())[0]?.n)
      // It is not there yet.
      .catch(() => undefined);
    if (Number(counted) >= rows) return;
    if (Date.now() > deadline) throw new Error(`${table} has ${counted} rows, not ${rows}`);
    await delay(POLL_MS);
  }
}
