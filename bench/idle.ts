import { setTimeout as delay } from 'node:timers/promises';
import { localAddresses } from '../cli/local-environment.ts';
import { applyConnectors } from '../connectors/apply.ts';
import { createConnectClient } from '../connectors/connect-client.ts';
import type { Bench } from './bench.ts';
import { capturing } from './bench-stack.ts';
import { FRESHNESS_TABLE } from './freshness.ts';
import { cpuSeconds } from './process-usage.ts';
import { median } from './quantiles.ts';

const DEBEZIUM = "Debezium's own connector class";
const SOURCES = ['one', 'two', 'three', 'four', 'five'];
/** After a start Connect's virtual machine compiles what it runs. */
const SETTLING_MS = 20_000;
const MEASURED_MS = 20_000;
const DEADLINE_MS = 60_000;

/** What connectors cost while nothing changes. */
export const IDLE: Bench = {
  peers: [DEBEZIUM],
  isQuick: false,
  async run(quick, say) {
    const rounds = quick ? 1 : 3;
    await using bench = await capturing(FRESHNESS_TABLE, [], SOURCES);
    const client = createConnectClient(localAddresses(bench.settings)['CONNECT_URL'] ?? '');
    const { signal } = new AbortController();
    const ours = [...(await client.list(signal))];
    const coresWith = async (settings: Readonly<Record<string, string>>) => {
      const desired = ours.map(([name, { config }]) => ({
        name,
        config: { ...config, ...settings },
      }));
      await applyConnectors({ client, desired, deadlineMs: DEADLINE_MS, signal });
      await delay(SETTLING_MS);
      const { pid } = bench.stack.process('connect');
      const [before, began] = [await cpuSeconds(pid), performance.now()];
      await delay(MEASURED_MS);
      return ((await cpuSeconds(pid)) - before) / ((performance.now() - began) / 1_000);
    };
    const runs = { ours: [] as number[], debezium: [] as number[] };
    for (let round = 0; round < rounds; round += 1) {
      runs.ours.push(await coresWith({}));
      runs.debezium.push(
        await coresWith({
          'connector.class': 'io.debezium.connector.postgresql.PostgresConnector',
          // With which rows are about as fresh as with ours.
          'poll.interval.ms': '10',
        }),
      );
      say(`${runs.ours.at(-1)?.toFixed(2)} cores, Debezium's ${runs.debezium.at(-1)?.toFixed(2)}`);
    }
    const what = `${SOURCES.length} connectors of one worker, nothing changes`;
    return {
      title: 'connectors at rest: CPU of Connect',
      figures: [
        { what, column: 'Tributary', unit: 'cores', runs: runs.ours },
        { what, column: DEBEZIUM, unit: 'cores', runs: runs.debezium },
      ],
      ratios: [
        {
          what: `as cheap as ${DEBEZIUM}`,
          value: median(runs.debezium) / median(runs.ours),
          aim: 1,
        },
      ],
      drawn: 'cores',
      notes: [
        'The same settings for both but `poll.interval.ms`, 3 and 10: rows are about as fresh with either. Heartbeats go on.',
      ],
    };
  },
};
