import { parseArgs } from 'node:util';
import { BENCH_NAMES, type BenchName } from './bench-names.ts';
import { BENCHES } from './benches.ts';
import { keepReport, reportOf } from './keep-report.ts';
import { endEverything } from './state-folder.ts';
import { QUICK_RESULTS, ratioText, RESULTS, tableOf, type Report } from './report.ts';

/*
 * npm run bench                   all
 * npm run bench -- drain tables   these
 * npm run bench -- --quick        fewer rows and seconds, for use while developing
 *
 * Reports are kept in bench/results, those of quick runs in .tributary/bench-results; `npm run docs`
 * brings the former into README.
 */
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { quick: { type: 'boolean', default: false } },
});
const unknown = positionals.filter((name) => !BENCH_NAMES.some((known) => known === name));
if (unknown.length > 0) {
  console.error(`no such bench: ${unknown.join(', ')}; there are ${BENCH_NAMES.join(', ')}`);
  process.exit(2);
}
const chosen = BENCH_NAMES.filter((name) =>
  positionals.length > 0 ? positionals.includes(name) : !values.quick || BENCHES[name].isQuick,
);
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  // What was started is in process groups of its own, and would go on.
  process.once(signal, () => void endEverything().finally(() => process.exit(1)));
}
for (const name of chosen) await run(name);
if (values.quick && positionals.length === 0) {
  const left = BENCH_NAMES.filter((name) => !chosen.includes(name));
  console.log(`left out, because they take longer: ${left.join(', ')}`);
}
process.exit(0);

async function run(name: BenchName): Promise<void> {
  const bench = BENCHES[name];
  const { peers } = bench;
  console.log(peers.length === 0 ? name : `${name}, beside ${peers.join(' and ')}`);
  const began = performance.now();
  const found = await bench.run(values.quick, (text) => console.log(`  ${text}`));
  const report = await reportOf(name, values.quick, found);
  print(report);
  const file = await keepReport(report, values.quick ? QUICK_RESULTS : RESULTS);
  console.log(`  ${((performance.now() - began) / 1_000).toFixed(0)} s, kept in ${file}\n`);
}

function print(report: Report): void {
  const table = tableOf(report);
  const widths = (table[0] ?? []).map((_, column) =>
    Math.max(...table.map((row) => row[column]?.length ?? 0)),
  );
  console.log('');
  for (const row of table) {
    const cells = row.map((cell, column) =>
      column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
    );
    console.log(`  ${cells.join('  ')}`);
  }
  for (const ratio of report.ratios) console.log(`  ${ratioText(ratio)}`);
  for (const note of report.notes) console.log(`  ${note}`);
}
