import pg from 'pg';
import { count, type Bench } from './bench.ts';
import { SOURCE, startBenchStack } from './bench-stack.ts';
import { drainWithKafkaEngine, drainWithTributary } from './drain.ts';
import { fill, untilCounted } from './first-load.ts';
import type { Figure } from './report.ts';

const ROWS = 100_000;
const ROUNDS = 2;
const COPIED = 'gate';

/**
 * What `npm test -- gate` measures: the two ratios that tell most, with one stack and few rows. Start-up
 * weighs more here than in the benches of the same names, so it is compared with its own record only.
 */
export const GATE: Bench = {
  peers: ["Debezium's snapshot", "ClickHouse's Kafka engine"],
  isQuick: false,
  async run(_quick, say) {
    await using bench = await startBenchStack({
      [COPIED]: 'first_load: copy',
      [SOURCE]: 'first_load: snapshot',
    });
    const client = new pg.Client({ connectionString: bench.databaseUrl });
    await client.connect();
    await fill(client, ROWS);
    await client.end();
    const figures: Figure[] = [];
    const note = (what: string, column: string, runs: readonly number[]) => {
      figures.push({ what, column, unit: 'rows/s', runs });
      say(`${what}, ${column}: ${runs.map(count).join(', ')} rows/s`);
    };
    const load = async (source: string) => {
      const began = performance.now();
      const connecting = bench.connect(source);
      await untilCounted(bench, `current.${source}__backlog`, ROWS);
      const rate = ROWS / ((performance.now() - began) / 1_000);
      await connecting;
      return rate;
    };
    const copied = await load(COPIED);
    await bench.disconnect(COPIED);
    // What the snapshot brings into the topic is drained afterwards.
    const snapshot = await load(SOURCE);
    note('first load', 'Tributary', [copied]);
    note('first load', "Debezium's snapshot", [snapshot]);
    const drained = { ours: [] as number[], engine: [] as number[] };
    for (let round = 0; round < ROUNDS; round += 1) {
      drained.ours.push((await drainWithTributary(bench, ROWS)).rowsPerSecond);
      drained.engine.push((await drainWithKafkaEngine(bench, ROWS)).rowsPerSecond);
    }
    note('backlog', 'Tributary', drained.ours);
    note('backlog', "ClickHouse's Kafka engine", drained.engine);
    return {
      title: `${count(ROWS)} rows, as the gate measures them`,
      figures,
      ratios: [
        { what: "Debezium's snapshot", value: copied / snapshot },
        {
          what: "ClickHouse's Kafka engine",
          // The best of each: what else the machine does can only make a round slower.
          value: Math.max(...drained.ours) / Math.max(...drained.engine),
        },
      ],
      drawn: 'rows/s',
      notes: [
        'A change that makes a ratio worse by more than noise explains fails `npm test -- gate`.',
      ],
    };
  },
};
