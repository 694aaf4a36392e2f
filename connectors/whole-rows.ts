import { qualified } from './captured-tables.ts';
import type { SourceFacts, TableFacts } from './source-facts.ts';

/**
 * The table, or those of its partitions that hold rows, whose changes do not tell the whole row before
 * them. Each partition has a replica identity of its own.
 */
export function withoutWholeRows(
  { tables }: Pick<SourceFacts, 'tables'>,
  table: TableFacts,
): readonly TableFacts[] {
  const partitions = tables.filter(
    ({ partitionRoot }) =>
      partitionRoot !== undefined && qualified(partitionRoot) === qualified(table),
  );
  return [table, ...partitions].filter(({ replicaIdentity }) => replicaIdentity !== 'f');
}
