import { readdir, readFile } from 'node:fs/promises';
import type { BenchName } from './bench-names.ts';
import { median } from './quantiles.ts';

/** Units of figures. */
export type Unit = 'rows/s' | 'ms' | 's' | 'MB' | '/s' | 'cores' | 'parts' | 's CPU' | 'rows';

/** One figure: a row and a column of the report's table. */
export interface Figure {
  /** What was done, e.g. `1,000 changes/s`. */
  readonly what: string;
  /** Who did it, or which figure of it this is. */
  readonly column: string;
  readonly unit: Unit;
  /** One value per round; the rounds of different columns were interleaved. */
  readonly runs: readonly number[];
}

/** How one median compares with another; more is better. */
export interface Ratio {
  readonly what: string;
  readonly value: number;
  /** What it should at least be. */
  readonly aim?: number;
}

/** What a bench has found. */
export interface Findings {
  readonly title: string;
  readonly figures: readonly Figure[];
  readonly ratios: readonly Ratio[];
  /** Figures of this unit are drawn. */
  readonly drawn: Unit;
  /** What has to be known to read them, a sentence each. */
  readonly notes: readonly string[];
}

/** Findings with when and where they were made. */
export interface Report extends Findings {
  readonly bench: BenchName;
  /** ISO date and time. */
  readonly takenAt: string;
  /** Fewer rows and seconds: of use while developing, not to be quoted. */
  readonly quick: boolean;
  readonly machine: {
    readonly cores: number;
    readonly cpu: string;
    readonly memoryGb: number;
  };
  /** Versions of the parts, by their names. */
  readonly versions: Readonly<Record<string, string>>;
}

/** Reports that are kept in the repository. */
export const RESULTS = new URL('results/', import.meta.url);
/** Reports of quick runs. */
export const QUICK_RESULTS = new URL('../.tributary/bench-results/', import.meta.url);

/** The reports of a folder, by their names; none when it is not there. */
export async function readReports(folder: URL): Promise<ReadonlyMap<string, Report>> {
  const names = await readdir(folder).catch(() => []);
  const reports = await Promise.all(
    names
      .filter((name) => name.endsWith('.json'))
      .map(async (name) => JSON.parse(await readFile(new URL(name, folder), 'utf8')) as Report),
  );
  return new Map(reports.map((report) => [report.bench, report]));
}

/** Median of the runs of one figure. @throws Error when there is none */
export function valueOf({ figures }: Findings, what: string, column: string): number {
  const found = figures.find((figure) => figure.what === what && figure.column === column);
  if (found === undefined) throw new Error(`no figure ${column} of ${what}`);
  return median(found.runs);
}

/** How a value is written. */
export function withUnit(value: number, unit: Unit): string {
  const digits = Math.abs(value) >= 100 || unit === 'rows' ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  const number = value.toLocaleString('en-US', { maximumFractionDigits: digits });
  return unit.startsWith('/') ? `${number}${unit}` : `${number} ${unit}`;
}

/** Rows of a table: what was measured, then a cell per column; columns in the order they first come. */
export function tableOf({ title, figures }: Findings): string[][] {
  const columns = [...new Set(figures.map(({ column }) => column))];
  const rows = [...new Set(figures.map(({ what }) => what))];
  const cell = (what: string, column: string) => {
    const figure = figures.find((other) => other.what === what && other.column === column);
    return figure === undefined ? '' : withUnit(median(figure.runs), figure.unit);
  };
  return [
    [title, ...columns],
    ...rows.map((what) => [what, ...columns.map((column) => cell(what, column))]),
  ];
}

/** A ratio in words. */
export function ratioText({ what, value, aim }: Ratio): string {
  const goal = aim === undefined ? '' : ` (aim ${aim}${value >= aim ? '' : ', missed'})`;
  return `${value.toFixed(2)} × ${what}${goal}`;
}
