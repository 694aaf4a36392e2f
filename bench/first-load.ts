import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { createLogger } from '#runtime/log.ts';
import { localAddresses } from '../cli/local-environment.ts';
import { resyncOne } from '../pipeline/operations/resync-tables.ts';
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
 *
 * @param isLarge - the table is too large for the slow ways: only copy and MaterializedPostgreSQL
 */
export async function measureFirstLoads(
  { rows, rounds, isLarge }: { rows: number; rounds: number; isLarge: boolean },
  report: (result: FirstLoadResult) => void,
): Promise<FirstLoadResult[]> {
  const ways = isLarge ? (['copy'] as const) : (['copy', 'snapshot'] as const);
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
        if (way === 'copy' && !isLarge) await measure('resync', () => resync(bench, name));
        await bench.disconnect(name);
      }
      await measure('MaterializedPostgreSQL', () => withEngine(bench, client, rows));
    }
    return results;
  } finally {
    await client.end();
  }
}

/** Fills the table to be loaded. */
export async function fill(client: pg.Client, rows: number): Promise<void> {
  await client.query(BACKLOG_TABLE);
  for (let from = 0; from < rows; from += ROWS_AT_ONCE) {
    await client.query(
      `INSERT INTO ${TABLE}
       SELECT gen_random_uuid(), 9007199254740993 + i, 'Customer number ' || i, 'c' || i || '@shop.example',
              CASE WHEN i % 3 = 0 THEN NULL ELSE '+43 1 ' || i END, (i % 100000) / 100.0, 'EUR', i % 7 <> 0,
              jsonb_build_object('theme', 'dark', 'visits', i, 'langs', jsonb_build_array('en', 'de')),
              now() - i * interval '1 second', now()
       FROM generate_series($1::int, $2::int) i`,
      [from, Math.min(from + ROWS_AT_ONCE, rows) - 1],
    );
  }
  await client.query(`VACUUM ANALYZE ${TABLE}`);
}

/** The database engine of ClickHouse that is fed by a slot of its own; its first copy. */
async function withEngine(bench: BenchStack, client: pg.Client, rows: number): Promise<void> {
  const { host, port, database, user, password } = client;
  await bench.warehouse.command({
    query: `CREATE DATABASE peer ENGINE = MaterializedPostgreSQL('${host}:${port}', '${database}', '${user}', '${password ?? ''}')
            SETTINGS materialized_postgresql_tables_list = '${TABLE}'`,
    clickhouse_settings: { allow_experimental_database_materialized_postgresql: 1 },
  });
  try {
    await untilCounted(bench, `peer.${TABLE}`, rows);
  } finally {
    await bench.warehouse.command({ query: 'DROP DATABASE peer SYNC' });
  }
}

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

/** Resolves when a query counts so many rows. */
export async function untilCounted(bench: BenchStack, table: string, rows: number): Promise<void> {
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
