import { count, type Bench } from './bench.ts';
import { capturing, type BenchStack } from './bench-stack.ts';
import { BACKLOG_TABLE, drainWithKafkaEngine, drainWithTributary, writeBacklog } from './drain.ts';
import { FRESHNESS_TABLE, measureFreshness, type FreshnessResult } from './freshness.ts';
import { median } from './quantiles.ts';
import type { Figure } from './report.ts';

const RATES = [1, 100, 1_000];
/** How long the virtual machines of Kafka and Connect take to compile what a steady stream has them run. */
const WARM_UP_SECONDS = 120;
const QUICK_WARM_UP_SECONDS = 3;

/** From a commit in Postgres to a row that a query sees. */
export const FRESHNESS: Bench = {
  peers: [],
  isQuick: true,
  async run(quick, say) {
    const [seconds, warmUp] = quick ? [5, QUICK_WARM_UP_SECONDS] : [20, WARM_UP_SECONDS];
    await using bench = await capturing(FRESHNESS_TABLE, [
      `INSERT INTO events (number, name, amount, details) VALUES (0, 'first', 0, '{}')`,
    ]);
    await untilTable(bench, 'current', 'bench__events');
    await measureFreshness(bench, quick ? 200 : 1_000, warmUp);
    const results: FreshnessResult[] = [];
    for (const rate of RATES) {
      const result = await measureFreshness(bench, rate, seconds);
      results.push(result);
      say(
        `${count(rate)}/s (${count(result.achievedRate)}/s achieved): p50 ${count(result.p50Ms)} ms, p95 ${count(result.p95Ms)} ms, p99 ${count(result.p99Ms)} ms`,
      );
    }
    const figures = results.flatMap(({ targetRate, p50Ms, p95Ms, p99Ms }): Figure[] => {
      const what = `${count(targetRate)} changes/s`;
      return [
        { what, column: 'p50', unit: 'ms', runs: [p50Ms] },
        { what, column: 'p95', unit: 'ms', runs: [p95Ms] },
        { what, column: 'p99', unit: 'ms', runs: [p99Ms] },
      ];
    });
    return {
      title: 'freshness: commit in Postgres to visible in ClickHouse',
      figures,
      ratios: [],
      drawn: 'ms',
      notes: [
        'Single-row commits, until the current view has them; everything runs on this one machine, the load too.',
        ...(quick
          ? []
          : [
              'After two minutes at 1,000/s: until then the virtual machines of Kafka and Connect compile what they run, and rows are about twice as old.',
            ]),
      ],
    };
  },
};

/** A topic with a backlog is emptied into a table. */
export const DRAIN: Bench = {
  peers: ["ClickHouse's Kafka engine"],
  isQuick: true,
  async run(quick, say) {
    const [rows, rounds] = quick ? [100_000, 1] : [500_000, 3];
    await using bench = await capturing(BACKLOG_TABLE);
    await bench.stack.process('transformer').stop();
    const began = performance.now();
    await writeBacklog(bench, rows);
    const written = rows / ((performance.now() - began) / 1_000);
    say(`Debezium brought ${count(rows)} changes into Kafka at ${count(written)} rows/s`);
    const runs = { ours: [] as number[], engine: [] as number[], memory: [] as number[] };
    for (let round = 0; round < rounds; round += 1) {
      const ours = await drainWithTributary(bench, rows);
      runs.ours.push(ours.rowsPerSecond);
      runs.memory.push(ours.peakRssMb ?? 0);
      say(`Tributary ${count(ours.rowsPerSecond)} rows/s, ${count(ours.peakRssMb ?? 0)} MB`);
      const engine = await drainWithKafkaEngine(bench, rows);
      runs.engine.push(engine.rowsPerSecond);
      say(`Kafka engine ${count(engine.rowsPerSecond)} rows/s`);
    }
    const what = `${count(rows)} changes, 11 columns`;
    return {
      title: 'a backlog in a topic',
      figures: [
        { what, column: 'Tributary', unit: 'rows/s', runs: runs.ours },
        { what, column: "ClickHouse's Kafka engine", unit: 'rows/s', runs: runs.engine },
        { what, column: "Tributary's peak memory", unit: 'MB', runs: runs.memory },
      ],
      ratios: [
        {
          what: "ClickHouse's Kafka engine (`AvroConfluent`)",
          value: median(runs.ours) / median(runs.engine),
          aim: 3,
        },
      ],
      drawn: 'rows/s',
      notes: [
        'Both read the same topic in the same engine. Tributary writes an exact change log and the current table, the Kafka engine one table.',
      ],
    };
  },
};

async function untilTable(bench: BenchStack, database: string, name: string): Promise<void> {
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
