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
    const sizes = quick
      ? [{ rows: 100_000, rounds: 1, isLarge: false }]
      : [
          { rows: 500_000, rounds: 3, isLarge: false },
          { rows: 2_000_000, rounds: 3, isLarge: true },
        ];
    const results: FirstLoadResult[] = [];
    for (const size of sizes) {
      const found = await measureFirstLoads(size, ({ who, rows, rowsPerSecond, seconds }) =>
        say(
          `${count(rows)} rows, ${who.padEnd(22)} ${count(rowsPerSecond)} rows/s, ${seconds.toFixed(1)} s`,
        ),
      );
      results.push(...found);
    }
    const found: Findings = {
      title: 'first load of a table',
      figures: sizes
        .flatMap(({ rows }) =>
          (Object.keys(NAMES) as FirstLoadResult['who'][]).map((who) => ({
            what: whatOf(rows),
            column: NAMES[who],
            unit: 'rows/s' as const,
            runs: results
              .filter((result) => result.who === who && result.rows === rows)
              .map((result) => result.rowsPerSecond),
          })),
        )
        .filter(({ runs }) => runs.length > 0),
      ratios: [],
      drawn: 'rows/s',
      notes: [],
    };
    const times = (rows: number, who: FirstLoadResult['who']) =>
      valueOf(found, whatOf(rows), NAMES.copy) / valueOf(found, whatOf(rows), NAMES[who]);
    return {
      ...found,
      ratios: [
        ...sizes
          .filter(({ isLarge }) => !isLarge)
          .map(({ rows }) => ({ what: NAMES.snapshot, value: times(rows, 'snapshot'), aim: 10 })),
        ...sizes.map(({ rows }) => ({
          what: `${NAMES.MaterializedPostgreSQL}, ${count(rows)} rows`,
          value: times(rows, 'MaterializedPostgreSQL'),
          aim: 1,
        })),
      ],
    };
  },
};

function whatOf(rows: number): string {
  return `${count(rows)} rows, 11 columns`;
}
