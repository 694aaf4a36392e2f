import { count, type Bench } from './bench.ts';
import { measureFirstLoads, type FirstLoadResult } from './first-load.ts';
import { valueOf, type Findings } from './report.ts';

const NAMES: Readonly<Record<FirstLoadResult['who'], string>> = {
  copy: 'Tributary, `first_load: copy`',
  snapshot: "Debezium's snapshot, through Kafka",
  resync: 'Tributary, `resync` of it',
  MaterializedPostgreSQL: "ClickHouse's MaterializedPostgreSQL",
};

/** A new table's rows into the warehouse. */
export const FIRST_LOAD: Bench = {
  peers: [NAMES.snapshot, NAMES.MaterializedPostgreSQL],
  isQuick: true,
  async run(quick, say) {
    const [rows, rounds] = quick ? [100_000, 1] : [500_000, 3];
    const results = await measureFirstLoads(rows, rounds, ({ who, rowsPerSecond, seconds }) =>
      say(`${who.padEnd(22)} ${count(rowsPerSecond)} rows/s, ${seconds.toFixed(1)} s`),
    );
    const what = `${count(rows)} rows, 11 columns`;
    const found: Findings = {
      title: 'first load of a table',
      figures: (Object.keys(NAMES) as FirstLoadResult['who'][]).map((who) => ({
        what,
        column: NAMES[who],
        unit: 'rows/s',
        runs: results.filter((result) => result.who === who).map((result) => result.rowsPerSecond),
      })),
      ratios: [],
      drawn: 'rows/s',
      notes: [],
    };
    const rate = (who: FirstLoadResult['who']) => valueOf(found, what, NAMES[who]);
    return {
      ...found,
      ratios: [
        { what: NAMES.snapshot, value: rate('copy') / rate('snapshot'), aim: 10 },
        {
          what: NAMES.MaterializedPostgreSQL,
          value: rate('copy') / rate('MaterializedPostgreSQL'),
          aim: 1,
        },
      ],
    };
  },
};
