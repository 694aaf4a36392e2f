import {
  isCaptured,
  type TableName,
  type TablePattern,
} from '../pipeline/catalog/table-pattern.ts';
import type { SourceFacts, TableFacts } from './source-facts.ts';

/** What a source's patterns come to in its database. */
export interface CapturedTables {
  /** Tables to capture; of a partitioned table the root alone. */
  readonly captured: readonly TableFacts[];
  /** Partitions that the patterns match beside their root. */
  readonly partitionsBesideRoot: readonly TableFacts[];
}

/** Finds the tables that a source means among those that are there. */
export function capturedTables(
  source: { readonly tables: readonly TablePattern[]; readonly exclude: readonly TablePattern[] },
  facts: Pick<SourceFacts, 'tables'>,
): CapturedTables {
  const matched = facts.tables.filter((table) => isCaptured(source, table));
  const names = new Set(matched.map(qualified));
  const besideRoot = (table: TableFacts) =>
    table.partitionRoot !== undefined && names.has(qualified(table.partitionRoot));
  return {
    captured: matched.filter((table) => !besideRoot(table)),
    partitionsBesideRoot: matched.filter(besideRoot),
  };
}

/** One text for a table, to compare by; no two tables share it. */
export function qualified({ schema, table }: TableName): string {
  return JSON.stringify([schema, table]);
}
