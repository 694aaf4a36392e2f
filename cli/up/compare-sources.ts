import { setTimeout as delay } from 'node:timers/promises';
import { withDatabase } from '../../connectors/source-connection.ts';
import type { Warehouse } from '../../pipeline/sink/clickhouse-client.ts';
import type { Catalog } from '../../pipeline/catalog/catalog.ts';
import { isCaptured } from '../../pipeline/catalog/table-pattern.ts';
import {
  agrees,
  compareTable,
  listTables,
  type TableComparison,
} from '../../pipeline/verify/compare-table.ts';

const PAUSE_MS = 500;

/** Compares every captured table of every source with the warehouse. */
export async function compareSources(
  catalog: Catalog,
  warehouse: Warehouse,
): Promise<TableComparison[]> {
  const bySource = await Promise.all(
    catalog.sources.map((source) =>
      withDatabase(source.name, source.url, async (client) => {
        const comparisons: TableComparison[] = [];
        for (const table of await listTables(client)) {
          if (!isCaptured(source, table)) continue;
          comparisons.push(
            await compareTable({ source: source.name, ...table }, client, warehouse),
          );
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
    const comparisons = await compareSources(catalog, warehouse);
    if (comparisons.every(agrees) || Date.now() > deadline) return comparisons;
    await delay(PAUSE_MS, undefined, { signal });
  }
}

/** The comparison as a table for a person. */
export function describeComparisons(comparisons: readonly TableComparison[]): string {
  const header = ['table', 'service rows', 'warehouse rows', 'result'];
  const lines = comparisons.map((comparison) => [
    `${comparison.source}.${comparison.schema === 'public' ? '' : `${comparison.schema}.`}${comparison.table}`,
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

function verdict(comparison: TableComparison): string {
  if (agrees(comparison)) return 'equal';
  const { missing, surplus, different, problem } = comparison;
  return problem ?? `${missing} missing, ${surplus} too many, ${different} different`;
}
