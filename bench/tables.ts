import { setTimeout as delay } from 'node:timers/promises';
import type { Warehouse } from '../pipeline/sink/clickhouse-client.ts';
import { cpuSeconds, residentMb } from './process-usage.ts';
import { quantile } from './quantiles.ts';
import { startRig, type Rig } from './rig.ts';
import { TABLE } from './made-up-sources.ts';

/** How the changes of one measurement are spread. */
export type Spread =
  /** Over all tables alike: the most inserts that so many changes can need. */
  | 'evenly'
  /** As traffic is: the second table gets half of what the first gets, the third a third. */
  | 'unevenly';

/** What one spread of the load came to. */
export interface TablesResult {
  readonly tables: number;
  readonly spread: Spread;
  readonly rate: number;
  readonly achievedRate: number;
  readonly changes: number;
  /** Commit to visible, of the watched tables. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Most memory of the pipeline process so far, MB. */
  readonly peakRssMb: number;
  /** Cores that were busy on average. */
  readonly pipelineCores: number;
  readonly warehouseCores: number;
  /** Active parts of a table of either kind. */
  readonly partsMean: number;
  readonly partsMost: number;
  readonly insertsPerSecond: number;
  readonly mergesPerSecond: number;
}

/** All that the bench of many tables has found. */
export interface ManyTablesResult {
  readonly tables: number;
  /** From the start of the process until every table is there, with its first row. */
  readonly createdSeconds: number;
  readonly spreads: readonly TablesResult[];
}

const TICK_MS = 50;
const WATCHED = 8;
/** Between two looks at the watched tables; by as much a row can be visible earlier than it is seen. */
const WATCH_PAUSE_MS = 250;
const SETTLE_MS = 240_000;
const CREATE_MS = 900_000;
/** Before anything is measured, in seconds. */
const WARM_UP_SECONDS = 10;

/** One process carries the tables of so many sources; changes come at `rate`, spread over them. */
export async function measureTables(
  options: { tables: number; rate: number; seconds: number },
  onResult: (result: TablesResult) => void,
  say: (text: string) => void,
): Promise<ManyTablesResult> {
  const { tables, rate, seconds } = options;
  await using rig = await startRig({ s: { sources: tables, partitions: 1, widthBytes: 200 } });
  const { sources } = rig.group('s');
  const all = sources.names.map((_, source) => ({ source, partition: 0 }));
  await sources.write(all);
  const began = performance.now();
  const pipeline = await rig.startPipeline(0);
  await rig.untilStored(rig.made, CREATE_MS);
  const createdSeconds = (performance.now() - began) / 1_000;
  say(`all ${tables} tables are there after ${createdSeconds.toFixed(0)} s`);
  const spreads: TablesResult[] = [];
  for (const spread of ['unevenly', 'evenly'] as const) {
    const next = picker(spread, tables);
    await load(rig, next, rate, WARM_UP_SECONDS);
    await rig.untilStored(rig.made, SETTLE_MS);
    const result = await measureSpread(rig, pipeline.pid, { spread, next, tables, rate, seconds });
    onResult(result);
    spreads.push(result);
  }
  return { tables, createdSeconds, spreads };
}

async function measureSpread(
  rig: Rig,
  pid: number | undefined,
  what: { spread: Spread; next: () => number; tables: number; rate: number; seconds: number },
): Promise<TablesResult> {
  const { spread, next, tables, rate, seconds } = what;
  const before = await usage(rig, pid);
  const watcher = new Watcher(rig.warehouse, watchedTables(rig, tables));
  await watcher.begin();
  const beganAt = performance.now();
  const watching = watcher.run();
  const changes = await load(rig, next, rate, seconds);
  const elapsed = (performance.now() - beganAt) / 1_000;
  const parts = await partsOf(rig.warehouse);
  const after = await usage(rig, pid);
  await rig.untilStored(rig.made, SETTLE_MS);
  watcher.stop();
  const lags = await watching;
  const perSecond = (name: keyof typeof after) => (after[name] - before[name]) / elapsed;
  return {
    tables,
    spread,
    rate,
    achievedRate: changes / elapsed,
    changes,
    p50Ms: quantile(lags, 0.5),
    p99Ms: quantile(lags, 0.99),
    peakRssMb: await residentMb(pid, 'VmHWM'),
    pipelineCores: perSecond('pipeline'),
    warehouseCores: perSecond('warehouse'),
    partsMean: parts.mean,
    partsMost: parts.most,
    insertsPerSecond: perSecond('inserts'),
    mergesPerSecond: perSecond('merges'),
  };
}

/** Writes changes at a steady rate. @returns how many */
async function load(rig: Rig, next: () => number, rate: number, seconds: number): Promise<number> {
  const began = performance.now();
  const wanted = rate * seconds;
  let sent = 0;
  while (sent < wanted) {
    const due = Math.min(wanted, Math.floor(((performance.now() - began) / 1_000) * rate));
    const changes = Array.from({ length: due - sent }, () => ({ source: next(), partition: 0 }));
    if (changes.length > 0) await rig.group('s').sources.write(changes);
    sent = due;
    await delay(TICK_MS);
  }
  return sent;
}

/** Which table gets the next change, the same in every run. */
function picker(spread: Spread, tables: number): () => number {
  let turn = 0;
  if (spread === 'evenly') return () => (turn += 1) % tables;
  let total = 0;
  const ends = Array.from({ length: tables }, (_, index) => (total += 1 / (index + 1)));
  return () => {
    // Steps of the golden ratio fill the range evenly, without chance.
    turn = (turn + 0.618_033_988_75) % 1;
    const at = ends.findIndex((end) => end > turn * total);
    return at === -1 ? tables - 1 : at;
  };
}

/** Tables to watch, from the busiest to the quietest, in equal shares of the changes. */
function watchedTables(rig: Rig, tables: number): string[] {
  const step = tables ** (1 / (WATCHED - 1));
  const places = new Set(
    Array.from({ length: WATCHED }, (_, index) =>
      Math.min(tables - 1, Math.floor(step ** index) - 1),
    ),
  );
  return [...places].map((place) => `${rig.group('s').sources.names[place]}__${TABLE}`);
}

/** Looks from outside when changes of some tables can be queried. */
class Watcher {
  readonly #warehouse: Warehouse;
  readonly #last = new Map<string, string>();
  #stopped = false;

  constructor(warehouse: Warehouse, tables: readonly string[]) {
    this.#warehouse = warehouse;
    for (const table of tables) this.#last.set(table, '0');
  }

  /** What is there already does not count. */
  async begin(): Promise<void> {
    await this.#look();
  }

  async run(): Promise<number[]> {
    const lags: number[] = [];
    while (!this.#stopped) {
      lags.push(...(await this.#look()));
      await delay(WATCH_PAUSE_MS);
    }
    lags.push(...(await this.#look()));
    return lags;
  }

  stop(): void {
    this.#stopped = true;
  }

  async #look(): Promise<number[]> {
    const parts = [...this.#last].map(
      ([table, last]) =>
        `SELECT '${table}', toString(_offset), toUnixTimestamp64Micro(_committed_at) / 1000
         FROM changes.${table} WHERE _offset > ${last}`,
    );
    const result = await this.#warehouse.query({
      query: `SELECT * FROM (${parts.join(' UNION ALL ')})`,
      format: 'JSONCompactEachRow',
    });
    const rows = await result.json<[string, string, number]>();
    const seenAt = Date.now();
    for (const [table, offset] of rows) {
      if (BigInt(offset) > BigInt(this.#last.get(table) ?? 0)) this.#last.set(table, offset);
    }
    return rows.map(([, , committedAtMs]) => seenAt - committedAtMs);
  }
}

async function usage(rig: Rig, pid: number | undefined) {
  const result = await rig.warehouse.query({
    query: `SELECT sumIf(value, event = 'Merge') AS merges,
                   sumIf(value, event = 'MergeTreeDataWriterBlocks') AS inserts
            FROM system.events`,
    format: 'JSONEachRow',
    clickhouse_settings: { output_format_json_quote_64bit_integers: 0 },
  });
  const [row] = await result.json<{ merges: number; inserts: number }>();
  return {
    pipeline: await cpuSeconds(pid),
    warehouse: await cpuSeconds(rig.warehouseProcess.pid),
    merges: row?.merges ?? 0,
    inserts: row?.inserts ?? 0,
  };
}

async function partsOf(warehouse: Warehouse): Promise<{ mean: number; most: number }> {
  const result = await warehouse.query({
    query: `SELECT avg(parts) AS mean, toFloat64(max(parts)) AS most FROM (
              SELECT count() AS parts FROM system.parts
              WHERE active AND database IN ('changes', 'current') GROUP BY database, \`table\`)`,
    format: 'JSONEachRow',
  });
  const [row] = await result.json<{ mean: number; most: number }>();
  return { mean: row?.mean ?? 0, most: row?.most ?? 0 };
}
