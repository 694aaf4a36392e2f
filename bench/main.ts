import { mkdir, writeFile } from 'node:fs/promises';
import { cpus, totalmem } from 'node:os';
import { parseArgs } from 'node:util';
import pg from 'pg';
import { SOURCE, startBenchStack } from './bench-stack.ts';
import { measureDrift, type DriftResult } from './drift.ts';
import {
  BACKLOG_TABLE,
  drainWithKafkaEngine,
  drainWithTributary,
  writeBacklog,
  type DrainResult,
} from './drain.ts';
import { measureFirstLoads, summarizeFirstLoads, type FirstLoadResult } from './first-load.ts';
import { FRESHNESS_TABLE, measureFreshness, type FreshnessResult } from './freshness.ts';
import { measureMarts, type MartsResult } from './marts.ts';
import { median } from './quantiles.ts';
import { measureShop, type ShopResult } from './shop.ts';
import { measureVerify, type VerifyResult } from './verify.ts';

/*
 * npm run bench                 all
 * npm run bench -- freshness    or drain, verify, shop, drift, marts, first-load
 * npm run bench -- --quick      fewer rows and seconds, for use while developing
 */
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { quick: { type: 'boolean', default: false } },
});
const wants = (name: string) => positionals.length === 0 || positionals.includes(name);
const size = values.quick
  ? {
      seconds: 5,
      warmUpSeconds: 5,
      backlog: 100_000,
      rounds: 1,
      verifyRows: 100_000,
      copies: 1_000_000,
      orders: 200_000,
    }
  : {
      seconds: 20,
      warmUpSeconds: 60,
      backlog: 500_000,
      rounds: 3,
      verifyRows: 1_000_000,
      copies: 10_000_000,
      orders: 10_000_000,
    };
const RATES = [1, 100, 1_000];
const ORDER_RATES = [5, 20, 50, 200];
const WARM_UP_SECONDS = 3;

let verified: VerifyResult[] = [];
if (wants('verify')) {
  console.log(`verify: a table of ${size.verifyRows.toLocaleString('en-US')} rows, 11 columns`);
  verified = await measureVerify(size.verifyRows, ({ key, equalSeconds, foundSeconds }) =>
    console.log(
      `  key: ${key.padEnd(26)}  equal after ${equalSeconds.toFixed(1)} s, one changed cell found after ${foundSeconds.toFixed(1)} s`,
    ),
  );
}
let shop: ShopResult[] = [];
if (wants('shop')) {
  console.log('shop: placing orders, with the whole shop and its pipeline running');
  shop = await measureShop(ORDER_RATES, size.seconds, size.warmUpSeconds, (result) =>
    console.log(
      `  ${String(result.askedRate).padStart(5)}/s (${result.achievedRate.toFixed(0)}/s achieved)` +
        `  p50 ${result.p50Ms.toFixed(0)} ms  p99 ${result.p99Ms.toFixed(0)} ms  ${result.failed} failed` +
        `  end-to-end lag p99 ${result.lagP99Ms?.toFixed(0) ?? '-'} ms`,
    ),
  );
}
let drift: DriftResult[] = [];
if (wants('drift')) {
  console.log(
    `drift: a rule with ${size.copies.toLocaleString('en-US')} copies, five of each owner`,
  );
  drift = await measureDrift(size.copies, (result) =>
    console.log(
      `  ${result.what.padEnd(24)}  ${result.copies.toLocaleString('en-US').padStart(10)} looked at in ${result.seconds.toFixed(2)} s` +
        `  ${result.found} found  warehouse RSS ${result.rssBeforeMb.toFixed(0)} MB, at most ${result.peakRssMb.toFixed(0)} MB`,
    ),
  );
}
let firstLoads: FirstLoadResult[] = [];
if (wants('first-load')) {
  console.log(`first load: a table of ${size.backlog.toLocaleString('en-US')} rows, 11 columns`);
  firstLoads = await measureFirstLoads(size.backlog, size.rounds, (result) =>
    console.log(
      `  ${result.who.padEnd(22)}  ${result.rowsPerSecond.toFixed(0).padStart(7)} rows/s  ${result.seconds.toFixed(1)} s`,
    ),
  );
  console.log(summarizeFirstLoads(firstLoads));
}
let marts: MartsResult | undefined;
if (wants('marts')) {
  console.log(`marts: every panel's query, ${size.orders.toLocaleString('en-US')} orders`);
  marts = await measureMarts(size.orders, (text) => console.log(text));
  console.log(
    `  computed as a whole in ${marts.wholeSeconds.toFixed(1)} s, brought up to 100 changed orders in ${marts.refreshMs.toFixed(0)} ms`,
  );
  for (const { panel, range, ms } of marts.panels.toSorted((a, b) => b.ms - a.ms)) {
    console.log(`  ${panel.padEnd(28)}  ${range.padStart(3)}  ${ms.toFixed(0).padStart(6)} ms`);
  }
}
if (!wants('freshness') && !wants('drain')) {
  await keepResults({ verified, shop, drift, marts, firstLoads });
  process.exit(0);
}

await using bench = await startBenchStack();
const client = new pg.Client({ connectionString: bench.databaseUrl });
await client.connect();
await client.query(FRESHNESS_TABLE);
await client.query(BACKLOG_TABLE);
// A first row each, so that topics, schemas and tables are there before anything is measured.
await client.query(
  `INSERT INTO events (number, name, amount, details) VALUES (0, 'first', 0, '{}')`,
);
await client.end();
await bench.connect(SOURCE);

const freshness: FreshnessResult[] = [];
if (wants('freshness')) {
  console.log('freshness: commit in Postgres to visible in ClickHouse, single-row commits');
  await untilTable('changes.bench__events');
  await measureFreshness(bench, 200, WARM_UP_SECONDS);
  for (const rate of RATES) {
    const result = await measureFreshness(bench, rate, size.seconds);
    freshness.push(result);
    console.log(
      `  ${String(rate).padStart(5)}/s (${result.achievedRate.toFixed(0)}/s achieved)` +
        `  p50 ${result.p50Ms.toFixed(0)} ms  p95 ${result.p95Ms.toFixed(0)} ms  p99 ${result.p99Ms.toFixed(0)} ms  max ${result.maxMs.toFixed(0)} ms`,
    );
  }
}

const drains: DrainResult[] = [];
if (wants('drain')) {
  await bench.stack.process('transformer').stop();
  console.log(`drain: a backlog of ${size.backlog.toLocaleString('en-US')} changes in the topic`);
  const began = performance.now();
  await writeBacklog(bench, size.backlog);
  const seconds = (performance.now() - began) / 1000;
  console.log(
    `  Debezium brought them into Kafka at ${(size.backlog / seconds).toFixed(0)} rows/s`,
  );
  for (let round = 0; round < size.rounds; round += 1) {
    for (const drain of [drainWithTributary, drainWithKafkaEngine]) {
      const result = await drain(bench, size.backlog);
      drains.push(result);
      const memory =
        result.peakRssMb === undefined ? '' : `  peak RSS ${result.peakRssMb.toFixed(0)} MB`;
      console.log(
        `  ${result.who.padEnd(12)}  ${result.rowsPerSecond.toFixed(0).padStart(7)} rows/s  ${result.seconds.toFixed(1)} s${memory}`,
      );
    }
  }
  const rate = (who: DrainResult['who']) =>
    median(drains.filter((result) => result.who === who).map(({ rowsPerSecond }) => rowsPerSecond));
  console.log(
    `  median: ${(rate('tributary') / rate('kafka engine')).toFixed(2)} x ClickHouse's Kafka engine`,
  );
}

await keepResults({ freshness, drains, verified, shop, drift, marts, firstLoads });

async function keepResults(results: object): Promise<void> {
  const folder = new URL('../.tributary/bench-results/', import.meta.url);
  await mkdir(folder, { recursive: true });
  const file = new URL(`${new Date().toISOString().replaceAll(':', '-')}.json`, folder);
  const machine = {
    cpus: cpus().length,
    cpu: cpus()[0]?.model,
    memoryGb: Math.round(totalmem() / 1024 ** 3),
    node: process.version,
  };
  await writeFile(
    file,
    `${JSON.stringify({ quick: values.quick, machine, ...results }, null, 2)}\n`,
  );
  console.log(`results in ${file.pathname}`);
}

async function untilTable(table: string): Promise<void> {
  const [database, name] = table.split('.');
  for (;;) {
    const result = await bench.warehouse.query({
      query:
        'SELECT 1 FROM system.tables WHERE database = {database:String} AND name = {name:String}',
      query_params: { database, name },
      format: 'JSONEachRow',
    });
    if ((await result.json()).length > 0) return;
  }
}
