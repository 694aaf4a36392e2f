import { readFile, writeFile } from 'node:fs/promises';
import pg from 'pg';
import { Secret } from '#runtime/config.ts';
import { createLogger } from '#runtime/log.ts';
import type { AvroSchema } from '../pipeline/avro/avro-schema.ts';
import { parseCatalog } from '../pipeline/catalog/parse-catalog.ts';
import { RuleWatch } from '../pipeline/drift/rule-watch.ts';
import { connectWarehouse, type Warehouse } from '../pipeline/sink/clickhouse-client.ts';
import { MirroredTable } from '../pipeline/testing/mirrored-table.ts';
import { startPostgres } from '../pipeline/testing/postgres-server.ts';
import { migrate } from '../warehouse/migrate.ts';
import { startEmbeddedWarehouse } from '../warehouse/testing/embedded-server.ts';

/** How long the drift monitor takes over one rule. */
export interface DriftResult {
  /** What was looked at. */
  readonly what: string;
  /** Copies that were looked at. */
  readonly copies: number;
  /** Copies that differ, looked up at the services' databases: all that there were. */
  readonly found: number;
  readonly seconds: number;
  /** Most memory that the warehouse's process held meanwhile, and what it held before, in MB. */
  readonly peakRssMb: number;
  readonly rssBeforeMb: number;
}

/** Orders of each user. */
const COPIES_PER_OWNER = 5;
const CHANGED = 10_000;
/** One of so many rows is made to drift. */
const DRIFTED_EVERY = 100_000;

const uuid: AvroSchema = { type: 'string', 'connect.name': 'io.debezium.data.Uuid' };
/** The key of a user, made of a number, in ClickHouse's SQL. */
const USER = (number: string) => `reinterpretAsUUID(sipHash128(toUInt64(${number})))`;
const CATALOG = `
sources: [{ name: shop, url: '\${URL}', tables: [public.*] }]
drift:
  - rule: buyers
    owner: shop.users
    copy: shop.orders
    reference: { buyer_id: id }
    fields: { buyer_name: name, buyer_email: email }
`;

/**
 * Measures the monitor on a rule with `copies` copies. The warehouse is filled by itself; the
 * services' database holds the rows that drift, which are all that it is asked for.
 */
export async function measureDrift(
  copies: number,
  report: (result: DriftResult) => void,
): Promise<DriftResult[]> {
  await using server = await startPostgres();
  await using embedded = await startEmbeddedWarehouse();
  const warehouse = connectWarehouse(
    { url: embedded.url, user: 'default', password: new Secret('') },
    'bench',
  );
  const database = await server.createDatabase('shop');
  const source = new pg.Client({ connectionString: database.adminUrl });
  await source.connect();
  const results: DriftResult[] = [];
  try {
    await migrate(warehouse, {
      log: createLogger('bench', 'silent'),
      signal: new AbortController().signal,
    });
    await source.query(`ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO ${database.role}`);
    await createTables(source, warehouse);
    await fill(warehouse, copies);
    const catalog = parseCatalog(CATALOG, 'bench.yaml', { URL: database.url });
    const [rule] = catalog.drift;
    if (rule === undefined) throw new Error('the catalog has no rule');
    const watch = new RuleWatch({ catalog, warehouse, rule, catchUpWith: undefined });
    const drifting = copies / DRIFTED_EVERY;
    const measure = async (what: string, kind: 'sweep' | 'changes', looked: number) => {
      const rssBeforeMb = await forgetPeak(embedded.pid);
      const { round } = await watch.round(kind);
      const result = {
        what,
        copies: looked,
        found: round.candidates,
        seconds: round.tookMs / 1_000,
        peakRssMb: await memory(embedded.pid, 'VmHWM'),
        rssBeforeMb,
      };
      if (result.found !== drifting) throw new Error(`${result.found} found, not ${drifting}`);
      results.push(result);
      report(result);
    };
    await drift(source, warehouse, `id % ${DRIFTED_EVERY} = 1`, copies + 1);
    await measure('all copies', 'sweep', copies);
    const some = `id % ${Math.floor(copies / CHANGED)} = 2`;
    await touch(warehouse, 'orders', some, copies + 2);
    await drift(source, warehouse, `id % ${DRIFTED_EVERY} = 2`, copies + 3);
    await measure('changed copies', 'changes', CHANGED);
    // Those of what drifted first among them.
    const step = copies / COPIES_PER_OWNER / CHANGED;
    const owners = `id IN (SELECT ${USER(`number * ${step}`)} FROM numbers(${CHANGED}))`;
    await touch(warehouse, 'users', owners, copies + 4);
    await measure('copies of changed owners', 'changes', CHANGED * COPIES_PER_OWNER);
    return results;
  } finally {
    await Promise.all([source.end(), warehouse.close()]);
  }
}

async function createTables(source: pg.Client, warehouse: Warehouse): Promise<void> {
  const text = { definition: 'text NOT NULL', avro: 'string' as const };
  await MirroredTable.create(source, warehouse, {
    table: 'users',
    columns: [
      { name: 'id', definition: 'uuid NOT NULL', avro: uuid },
      { name: 'name', ...text },
      { name: 'email', ...text },
      { name: 'address', ...text },
    ],
    key: ['id'],
  });
  await MirroredTable.create(source, warehouse, {
    table: 'orders',
    columns: [
      { name: 'id', definition: 'bigint NOT NULL', avro: 'long' },
      { name: 'buyer_id', definition: 'uuid NOT NULL', avro: uuid },
      { name: 'buyer_name', ...text },
      { name: 'buyer_email', ...text },
      { name: 'total', definition: 'bigint NOT NULL', avro: 'long' },
      { name: 'status', ...text },
    ],
    key: ['id'],
  });
}

async function fill(warehouse: Warehouse, copies: number): Promise<void> {
  const owners = copies / COPIES_PER_OWNER;
  await run(
    warehouse,
    `INSERT INTO current.shop__users (id, name, email, address, _version)
     SELECT ${USER('number')}, 'Person ' || number, 'person.' || number || '@example.com',
            'Street ' || (number % 997) || ', Town ' || (number % 89), number + 1
     FROM numbers(${owners})`,
  );
  await run(
    warehouse,
    `INSERT INTO current.shop__orders (id, buyer_id, buyer_name, buyer_email, total, status, _version)
     SELECT number + 1, ${USER(`number % ${owners}`)}, 'Person ' || (number % ${owners}),
            'person.' || (number % ${owners}) || '@example.com', number % 10007,
            ['new', 'paid', 'sent'][number % 3 + 1], number + 1
     FROM numbers(${copies})`,
  );
}

/** Rows written again as they were: changed, but not in what is compared. */
async function touch(warehouse: Warehouse, table: string, where: string, version: number) {
  await run(
    warehouse,
    `INSERT INTO current.shop__${table} SELECT * REPLACE (toUInt128(${version}) AS _version)
     FROM current.shop__${table} FINAL WHERE ${where}`,
  );
}

/** Gives orders another name than their users', in the warehouse and at the source. */
async function drift(source: pg.Client, warehouse: Warehouse, where: string, version: number) {
  await run(
    warehouse,
    `INSERT INTO current.shop__orders
     SELECT * REPLACE ('Somebody' AS buyer_name, toUInt128(${version}) AS _version)
     FROM current.shop__orders FINAL WHERE ${where}`,
  );
  const rows = async (query: string) => {
    const result = await warehouse.query({ query, format: 'JSONEachRow' });
    return JSON.stringify(await result.json());
  };
  const columns = 'id, buyer_id, buyer_name, buyer_email, total, status';
  const orders = await rows(`SELECT ${columns} FROM current.shop__orders FINAL WHERE ${where}`);
  const users = await rows(
    `SELECT id, name, email, address FROM current.shop__users FINAL
     WHERE id IN (SELECT buyer_id FROM current.shop__orders FINAL WHERE ${where})`,
  );
  await source.query('INSERT INTO orders SELECT * FROM json_populate_recordset(NULL::orders, $1)', [
    orders,
  ]);
  await source.query(
    'INSERT INTO users SELECT * FROM json_populate_recordset(NULL::users, $1) ON CONFLICT DO NOTHING',
    [users],
  );
}

async function run(warehouse: Warehouse, query: string): Promise<void> {
  await warehouse.command({ query, clickhouse_settings: { max_memory_usage: '0' } });
}

/** Begins to watch the peak anew. @returns what the process holds now, in MB */
async function forgetPeak(pid: number): Promise<number> {
  await writeFile(`/proc/${pid}/clear_refs`, '5');
  return memory(pid, 'VmRSS');
}

async function memory(pid: number, what: 'VmHWM' | 'VmRSS'): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(new RegExp(`${what}:\\s+(\\d+)`).exec(status)?.[1]) / 1_024;
}
