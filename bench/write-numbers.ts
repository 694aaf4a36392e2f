import { readFile, writeFile } from 'node:fs/promises';
import { format, resolveConfig } from 'prettier';
import { BENCH_NAMES } from './bench-names.ts';
import { ratioText, readReports, RESULTS, tableOf, type Report } from './report.ts';

const README = new URL('../README.md', import.meta.url);
const BEGIN = '<!-- numbers: written by `npm run docs` from bench/results -->';
const END = '<!-- end of numbers -->';

/** The part of README that says how fast everything is, from the reports in the repository. */
export function numbersBlock(reports: ReadonlyMap<string, Report>): string {
  const parts = BENCH_NAMES.flatMap((name) => {
    const report = reports.get(name);
    return report === undefined ? [] : [partOf(report)];
  });
  return `${BEGIN}\n\n${parts.join('\n\n')}\n\n${END}`;
}

function partOf(report: Report): string {
  const [head = [], ...rows] = tableOf(report);
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  const table = [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
  const { cores, memoryGb } = report.machine;
  const versions = Object.entries(report.versions).map(([name, version]) => `${name} ${version}`);
  const ratios = report.ratios.map(ratioText);
  const sentences = [
    ...(ratios.length === 0 ? [] : [`**${ratios.join('; ')}.**`]),
    ...report.notes,
    `\`npm run bench -- ${report.bench}\` on ${report.takenAt.slice(0, 10)}, ${[`${cores} cores`, `${memoryGb} GB`, ...versions].join(', ')} ([chart](bench/results/${report.bench}.svg)).`,
  ];
  return `${table}\n\n${sentences.join(' ')}`;
}

/** README as it should be. */
export async function readmeWithNumbers(): Promise<{ now: string; wanted: string }> {
  const now = await readFile(README, 'utf8');
  const [begin, end] = [now.indexOf(BEGIN), now.indexOf(END)];
  if (begin === -1 || end < begin) throw new Error('README has no place for the numbers');
  const text =
    now.slice(0, begin) + numbersBlock(await readReports(RESULTS)) + now.slice(end + END.length);
  const options = await resolveConfig(README);
  return { now, wanted: await format(text, { ...options, parser: 'markdown' }) };
}

if (process.argv[1] === new URL(import.meta.url).pathname) {
  await writeFile(README, (await readmeWithNumbers()).wanted);
}
