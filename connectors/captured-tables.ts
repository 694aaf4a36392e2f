import type { Source } from '../pipeline/catalog/catalog.ts';
import { isCaptured, matchesTable, type TableName } from '../pipeline/catalog/table-pattern.ts';
import type { SourceFacts, TableFacts } from './source-facts.ts';

/** What a source's patterns come to in its database. */
export interface CapturedTables {
  /** Tables to capture; of a partitioned table the root alone. */
  readonly captured: readonly TableFacts[];
  /** Partitions that the patterns match beside their root. */
  readonly partitionsBesideRoot: readonly TableFacts[];
  /** The outbox, when the catalog names one and it is there. */
  readonly outbox: TableFacts | undefined;
  /** What the publication lists: the captured tables and the outbox. */
  readonly published: readonly TableFacts[];
}

/** Finds the tables that a source means among those that are there. */
export function capturedTables(
  source: Pick<Source, 'tables' | 'exclude' | 'outbox'>,
  facts: Pick<SourceFacts, 'tables'>,
): CapturedTables {
  const matched = facts.tables.filter((table) => isCaptured(source, table));
  const names = new Set(matched.map(qualified));
  const besideRoot = (table: TableFacts) =>
    table.partitionRoot !== undefined && names.has(qualified(table.partitionRoot));
  const captured = matched.filter((table) => !besideRoot(table));
  const { outbox: wanted } = source;
  const outbox =
    wanted === undefined ? undefined : facts.tables.find((table) => matchesTable(wanted, table));
  return {
    captured,
    partitionsBesideRoot: matched.filter(besideRoot),
    outbox,
    published: outbox === undefined ? captured : [...captured, outbox],
  };
}

/** One text for a table, to compare by; no two tables share it. */
export function qualified({ schema, table }: TableName): string {
  return JSON.stringify([schema, table]);
}
