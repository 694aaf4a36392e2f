import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { Kafka, logLevel } from 'kafkajs';
import pg from 'pg';
import { portOf } from '../local/settings.ts';
import type { Warehouse } from '../pipeline/sink/clickhouse-client.ts';
import type { BenchStack } from './bench-stack.ts';

/** Rate at which one reader emptied the topic into a table. */
export interface DrainResult {
  readonly who: 'tributary' | 'kafka engine';
  readonly rowsPerSecond: number;
  readonly seconds: number;
  /** Highest resident memory of the pipeline process, in MB; the engine has no process of its own. */
  readonly peakRssMb: number | undefined;
}

const TOPIC = 'bench.public.backlog';
const ROWS_PER_COMMIT = 10_000;
const POLL_MS = 100;
const DEADLINE_MS = 300_000;

/** Table of the drain bench: the columns of a shop's rows. */
export const BACKLOG_TABLE = `
  CREATE TABLE backlog (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    number bigint NOT NULL,
    name text NOT NULL,
    email text NOT NULL,
    phone text,
    amount numeric(12,2) NOT NULL,
    currency char(3) NOT NULL,
    active boolean NOT NULL,
    details jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
  )`;

/** Commits the backlog while the pipeline is stopped, and waits until all of it is in the topic. */
export async function writeBacklog(bench: BenchStack, rows: number): Promise<void> {
  const client = new pg.Client({ connectionString: bench.databaseUrl });
  await client.connect();
  for (let from = 0; from < rows; from += ROWS_PER_COMMIT) {
    await client.query(
      `INSERT INTO backlog
       SELECT gen_random_uuid(), 9007199254740993 + i, 'Customer number ' || i, 'c' || i || '@shop.example',
              CASE WHEN i % 3 = 0 THEN NULL ELSE '+43 1 ' || i END, (i % 100000) / 100.0, 'EUR', i % 7 <> 0,
              jsonb_build_object('theme', 'dark', 'visits', i, 'langs', jsonb_build_array('en', 'de')),
              now() - i * interval '1 second', now()
       FROM generate_series($1::int, $2::int) i`,
      [from, Math.min(from + ROWS_PER_COMMIT, rows) - 1],
    );
  }
  await client.end();
  const admin = kafkaOf(bench).admin();
  await admin.connect();
  const deadline = Date.now() + DEADLINE_MS;
  for (;;) {
    const ends = await admin.fetchTopicOffsets(TOPIC).catch(() => []);
    const end = ends.reduce((sum, { high }) => sum + Number(high), 0);
    // The markers that end transactions take offsets too, so the end is at least this.
    if (end >= rows) break;
    if (Date.now() > deadline) throw new Error(`only ${end} of ${rows} records in the topic`);
    await delay(POLL_MS);
  }
  await admin.disconnect();
}

/** The pipeline reads the topic from its beginning, in a group that has committed nothing. */
export async function drainWithTributary(bench: BenchStack, rows: number): Promise<DrainResult> {
  const transformer = bench.stack.process('transformer');
  await transformer.stop();
  await forgetTable(bench);
  await transformer.start();
  const { pid } = transformer;
  let peakRssMb = 0;
  const timing = await timeUntil(bench.warehouse, 'changes.bench__backlog', rows, async () => {
    peakRssMb = Math.max(peakRssMb, await residentMb(pid));
  });
  return { who: 'tributary', ...timing, peakRssMb };
}

/** ClickHouse's own Kafka engine reads the same topic in the same engine. */
export async function drainWithKafkaEngine(bench: BenchStack, rows: number): Promise<DrainResult> {
  const { warehouse, settings } = bench;
  await bench.stack.process('transformer').stop();
  const group = `engine-${Date.now()}`;
  const run = (query: string) => warehouse.command({ query });
  for (const name of ['peer_view', 'peer_topic', 'peer'])
    await run(`DROP TABLE IF EXISTS default.${name} SYNC`);
  await run(`
    CREATE TABLE default.peer (
      id UUID, number Int64, name String, email String, phone Nullable(String), amount Decimal(12, 2),
      currency String, active Bool, details String, created_at DateTime64(6, 'UTC'),
      updated_at DateTime64(6, 'UTC'), _lsn UInt64, _deleted UInt8
    ) ENGINE = ReplacingMergeTree(_lsn, _deleted) ORDER BY id`);
  await run(`
    CREATE TABLE default.peer_topic (
      after Tuple(id String, number Int64, name String, email String, phone Nullable(String),
        amount String, currency String, active Bool, details String, created_at String,
        updated_at String),
      source Tuple(version String, connector String, name String, ts_ms Int64,
        snapshot Nullable(String), db String, sequence Nullable(String), ts_us Nullable(Int64),
        ts_ns Nullable(Int64), schema String, \`table\` String, txId Nullable(Int64),
        lsn Nullable(Int64), xmin Nullable(Int64), origin Nullable(String),
        origin_lsn Nullable(Int64)),
      op String
    ) ENGINE = Kafka SETTINGS
      kafka_broker_list = '127.0.0.1:${portOf(settings, 'kafka')}', kafka_topic_list = '${TOPIC}',
      kafka_group_name = '${group}', kafka_format = 'AvroConfluent', kafka_max_block_size = 65536,
      format_avro_schema_registry_url = 'http://127.0.0.1:${portOf(settings, 'registry')}/apis/ccompat/v7'`);
  await run(`
    CREATE MATERIALIZED VIEW default.peer_view TO default.peer AS
    SELECT toUUID(after.id) AS id, after.number AS number, after.name AS name,
      after.email AS email, after.phone AS phone, toDecimal64(after.amount, 2) AS amount,
      after.currency AS currency, after.active AS active, after.details AS details,
      parseDateTime64BestEffort(after.created_at, 6, 'UTC') AS created_at,
      parseDateTime64BestEffort(after.updated_at, 6, 'UTC') AS updated_at,
      toUInt64(assumeNotNull(source.lsn)) AS _lsn, toUInt8(op = 'd') AS _deleted
    FROM default.peer_topic`);
  const timing = await timeUntil(warehouse, 'default.peer', rows, async () => undefined);
  for (const name of ['peer_view', 'peer_topic']) await run(`DROP TABLE default.${name} SYNC`);
  return { who: 'kafka engine', ...timing, peakRssMb: undefined };
}

/**
 * Times a reader from the moment it was told to read to the last row: joining the group counts, on
 * either side.
 */
async function timeUntil(
  warehouse: Warehouse,
  table: string,
  rows: number,
  sample: () => Promise<void>,
): Promise<{ rowsPerSecond: number; seconds: number }> {
  const began = performance.now();
  const deadline = Date.now() + DEADLINE_MS;
  for (;;) {
    const count = await countRows(warehouse, table);
    const seconds = (performance.now() - began) / 1000;
    await sample();
    if (count >= rows) return { rowsPerSecond: count / seconds, seconds };
    if (Date.now() > deadline) throw new Error(`${table} has only ${count} of ${rows} rows`);
    await delay(POLL_MS);
  }
}

async function countRows(warehouse: Warehouse, table: string): Promise<number> {
  const [database, name] = table.split('.');
  const result = await warehouse.query({
    query: `SELECT toString(sum(rows)) AS rows FROM system.parts
            WHERE active AND database = {database:String} AND table = {name:String}`,
    query_params: { database, name },
    format: 'JSONEachRow',
  });
  const [row] = await result.json<{ rows: string }>();
  return Number(row?.rows ?? 0);
}

/** Drops the table in the warehouse and the group's offsets of its topic. */
async function forgetTable(bench: BenchStack): Promise<void> {
  for (const name of ['bench.backlog', 'current.bench__backlog', 'changes.bench__backlog']) {
    await bench.warehouse.command({ query: `DROP TABLE IF EXISTS ${name} SYNC` });
  }
  const admin = kafkaOf(bench).admin();
  await admin.connect();
  await admin.resetOffsets({ groupId: 'tributary', topic: TOPIC, earliest: true });
  await admin.disconnect();
}

function kafkaOf(bench: BenchStack): Kafka {
  return new Kafka({
    clientId: 'bench',
    brokers: [`127.0.0.1:${portOf(bench.settings, 'kafka')}`],
    logLevel: logLevel.NOTHING,
  });
}

async function residentMb(pid: number | undefined): Promise<number> {
  if (pid === undefined) return 0;
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) / 1024;
}
