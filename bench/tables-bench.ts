import { count, type Bench } from './bench.ts';
import { measureTables } from './tables.ts';
import type { Figure } from './report.ts';

/** One pipeline process with the tables of a thousand sources. */
export const TABLES: Bench = {
  peers: [],
  isQuick: false,
  async run(quick, say) {
    const options = quick
      ? { tables: 50, rate: 100, seconds: 10 }
      : { tables: 1_000, rate: 2_000, seconds: 30 };
    const result = await measureTables(
      options,
      (spread) =>
        say(
          `${spread.spread}: ${count(spread.achievedRate)} changes/s, p50 ${count(spread.p50Ms)} ms, p99 ${count(spread.p99Ms)} ms, ` +
            `${count(spread.peakRssMb)} MB, ${spread.partsMean.toFixed(1)} parts a table, at most ${spread.partsMost}, ` +
            `${count(spread.insertsPerSecond)} inserts/s, ${count(spread.mergesPerSecond)} merges/s, ` +
            `cores: pipeline ${spread.pipelineCores.toFixed(2)}, warehouse ${spread.warehouseCores.toFixed(2)}`,
        ),
      say,
    );
    const figures = result.spreads.flatMap((spread): Figure[] => {
      const what = `${count(spread.rate)} changes/s, spread ${spread.spread}`;
      const figure = (column: string, unit: Figure['unit'], value: number): Figure => ({
        what,
        column,
        unit,
        runs: [value],
      });
      return [
        figure('p50', 'ms', spread.p50Ms),
        figure('p99', 'ms', spread.p99Ms),
        figure('memory of the process', 'MB', spread.peakRssMb),
        figure('pipeline', 'cores', spread.pipelineCores),
        figure('warehouse', 'cores', spread.warehouseCores),
        figure('inserts', '/s', spread.insertsPerSecond),
        figure('merges', '/s', spread.mergesPerSecond),
        figure('parts a table, mean', 'parts', spread.partsMean),
        figure('most', 'parts', spread.partsMost),
      ];
    });
    return {
      title: `${count(result.tables)} tables of as many sources in one process`,
      figures,
      ratios: [],
      drawn: 'ms',
      notes: [
        `All tables are there ${count(result.createdSeconds)} s after the process began.`,
        'Topics, schemas and records are what Debezium would write, but made up: a thousand Postgres servers do not fit.',
        'Aims: p99 of 1 s, 1 GB.',
      ],
    };
  },
};
