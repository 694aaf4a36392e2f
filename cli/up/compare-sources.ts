import { setTimeout as delay } from 'node:timers/promises';
import { tableLabel } from '../named-tables.ts';
import { withDatabase } from '../../connectors/source-connection.ts';
import type { Warehouse } from '../../pipeline/sink/clickhouse-client.ts';
import type { Catalog, Source } from '../../pipeline/catalog/catalog.ts';
import { tableRules } from '../../pipeline/catalog/column-rules.ts';
import { isCaptured, type TableName } from '../../pipeline/catalog/table-pattern.ts';
import type { CatchUp } from '../../pipeline/verify/settle-rows.ts';
import { listTables } from '../../pipeline/verify/table-shape.ts';
import { agrees, verifyTable, type TableComparison } from '../../pipeline/verify/verify-table.ts';

const PAUSE_MS = 500;

/** What to compare, and how. */
export interface CompareOptions {
  /** @defaultValue every captured table */
  readonly isWanted?: (source: Source, table: TableName) => boolean;
  /** Sources to connect to. @defaultValue all */
  readonly isWantedSource?: (source: Source) => boolean;
  /**
   * Makes what lets writes go on meanwhile; without it the warehouse is taken as it is.
   *
   * @param client - connected to the source
   */
  readonly catchUp?: (source: Source, client: SourceClient) => CatchUp;
  /** Whether differences carry the values of both sides. */
  readonly showValues?: boolean;
  /** Called with each table as soon as it was compared, and how long that took. */
  readonly onCompared?: (comparison: TableComparison, tookMs: number) => Promise<void>;
  readonly signal?: AbortSignal;
}

/** A connection to a source's database. */
export type SourceClient = Parameters<typeof listTables>[0];

/** Compares captured tables of the sources with the warehouse. */
export async function compareSources(
  catalog: Catalog,
  warehouse: Warehouse,
  options: CompareOptions = {},
): Promise<TableComparison[]> {
  const {
    isWanted = () => true,
    isWantedSource = () => true,
    catchUp,
    showValues = false,
    onCompared,
  } = options;
  const signal = options.signal ?? new AbortController().signal;
  const bySource = await Promise.all(
    catalog.sources.filter(isWantedSource).map((source) =>
      withDatabase(source.name, source.url, async (client) => {
        const comparisons: TableComparison[] = [];
        for (const table of await listTables(client)) {
          if (!isCaptured(source, table) || !isWanted(source, table)) continue;
          const began = performance.now();
          const comparison = await verifyTable(
            { source: source.name, ...table },
            client,
            warehouse,
            {
              signal,
              showValues,
              rules: tableRules(source, table),
              ...(catchUp === undefined ? {} : { catchUp: catchUp(source, client) }),
            },
          );
          comparisons.push(comparison);
          await onCompared?.(comparison, performance.now() - began);
        }
        return comparisons;
      }),
    ),
  );
  return bySource.flat();
}

/**
 * Compares again and again until everything agrees or the time is over.
 *
 * @returns the last comparison, whether or not it agrees
 */
export async function waitUntilEqual(
  catalog: Catalog,
  warehouse: Warehouse,
  deadlineMs: number,
  signal: AbortSignal,
): Promise<TableComparison[]> {
  const deadline = Date.now() + deadlineMs;
  for (;;) {
    const comparisons = await compareSources(catalog, warehouse, { signal });
    if (comparisons.every(agrees) || Date.now() > deadline) return comparisons;
    await delay(PAUSE_MS, undefined, { signal });
  }
}

/** The comparison as a table for a person. */
export function describeComparisons(comparisons: readonly TableComparison[]): string {
  const header = ['table', 'service rows', 'warehouse rows', 'result'];
  const lines = comparisons.map((comparison) => [
    tableLabel(comparison),
    comparison.sourceRows.toLocaleString('en-US'),
    comparison.warehouseRows.toLocaleString('en-US'),
    verdict(comparison),
  ]);
  const widths = header.map((title, column) =>
    Math.max(title.length, ...lines.map((line) => line[column]?.length ?? 0)),
  );
  return [header, ...lines]
    .map((line) =>
      line
        .map((cell, column) => {
          const width = widths[column] ?? 0;
          const isNumber = column === 1 || column === 2;
          return isNumber ? cell.padStart(width) : cell.padEnd(width);
        })
        .join('  ')
        .trimEnd(),
    )
    .map((line) => `  ${line}`)
    .join('\n');
}

/** Says that nothing differs, and of how many tables. */
export function describeAgreement(comparisons: readonly TableComparison[]): string {
  const compared = comparisons.filter(({ notComparable }) => notComparable === undefined).length;
  return compared === comparisons.length
    ? `the warehouse agrees with all ${compared} tables`
    : `the warehouse agrees with ${compared} tables; ${comparisons.length - compared} not compared`;
}

function verdict(comparison: TableComparison): string {
  if (comparison.notComparable !== undefined) return `not compared: ${comparison.notComparable}`;
  if (agrees(comparison)) return 'equal';
  const { missing, surplus, different, problem, cut } = comparison;
  return (
    problem ??
    `${missing} missing, ${surplus} too many, ${different} different${cut ? ', and more' : ''}`
  );
}
