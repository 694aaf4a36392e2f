import type { Source } from '../pipeline/catalog/catalog.ts';
import { qualified, type CapturedTables } from './captured-tables.ts';
import type { Finding } from './finding.ts';
import { createPublication } from './provision-sql.ts';
import { isCondition, publishedAs, rowFilterOf, type RowFilter } from './row-filter.ts';
import type { PublishedTable, SourceFacts } from './source-facts.ts';
import { quoteIdent, quoteTable } from './sql-quote.ts';

/** Checks that the publication lists the captured tables and the outbox, whole and no others. */
export function checkPublication(
  facts: SourceFacts,
  { published: wanted }: CapturedTables,
  source: Pick<Source, 'rows'>,
  name: string,
): Finding[] {
  const { publication } = facts;
  const quoted = quoteIdent(name);
  const create = createPublication(name, wanted, source, facts.serverVersion);
  if (wanted.length === 0) return [];
  if (publication === undefined) {
    return [
      {
        id: 'publication-missing',
        severity: 'error',
        what: `there is no publication ${name}`,
        why: 'Postgres streams the tables that a publication lists; the connector makes none itself.',
        sql: create,
      },
    ];
  }
  if (publication.allTables || publication.schemas.length > 0) {
    const all = publication.allTables
      ? 'all tables'
      : `all tables of schema ${publication.schemas.join(', ')}`;
    return [
      {
        id: 'publication-not-listed',
        severity: 'error',
        what: `the publication ${name} is for ${all}`,
        why:
          'It also streams what the catalog does not name, and a table without primary key that it ' +
          'takes in can no longer be updated by the service.',
        sql: [`DROP PUBLICATION ${quoted};`, ...create],
      },
    ];
  }
  const findings: Finding[] = [];
  const published = new Map(publication.tables.map((table) => [qualified(table), table]));
  const wantedNames = new Set(wanted.map(qualified));
  for (const table of wanted.filter((table) => !published.has(qualified(table)))) {
    findings.push({
      id: 'publication-lacks-table',
      severity: 'error',
      what: `the publication ${name} does not list ${quoteTable(table)}`,
      why: 'Its changes would not be streamed.',
      sql: [`ALTER PUBLICATION ${quoted} ADD TABLE ${publishedAs(source, table)};`],
    });
  }
  for (const table of publication.tables) {
    if (!wantedNames.has(qualified(table))) {
      findings.push({
        id: 'publication-extra-table',
        severity: 'warning',
        what: `the publication ${name} lists ${quoteTable(table)}, which the catalog does not name`,
        why: 'The server decodes and sends its changes for nothing.',
        sql: [`ALTER PUBLICATION ${quoted} DROP TABLE ${quoteTable(table)};`],
      });
    } else if (table.hasColumnList || !isAsSaid(table, rowFilterOf(source, table))) {
      const filter = rowFilterOf(source, table);
      findings.push({
        id: 'publication-filters',
        severity: 'error',
        what: table.hasColumnList
          ? `the publication ${name} has a column list on ${quoteTable(table)}`
          : filter === undefined
            ? `the publication ${name} has a row filter on ${quoteTable(table)}`
            : `the publication ${name} lets other rows of ${quoteTable(table)} leave than the catalog says`,
        why:
          filter === undefined
            ? 'The snapshot knows nothing of it: the warehouse would drift from the table.'
            : 'Rows that have to stay in the database would leave it, or others never come.',
        sql: [
          `ALTER PUBLICATION ${quoted} DROP TABLE ${quoteTable(table)};`,
          `ALTER PUBLICATION ${quoted} ADD TABLE ${publishedAs(source, table)};`,
        ],
      });
    }
  }
  const missing = Object.entries(publication.publishes)
    .filter(([, publishes]) => !publishes)
    .map(([operation]) => operation);
  if (missing.length > 0) {
    findings.push({
      id: 'publication-operations',
      severity: 'error',
      what: `the publication ${name} leaves out ${missing.join(', ')}`,
      why: 'The warehouse would drift from the service with every such change.',
      sql: [`ALTER PUBLICATION ${quoted} SET (publish = 'insert, update, delete, truncate');`],
    });
  }
  if (!publication.viaPartitionRoot && wanted.some((table) => table.partitioned)) {
    findings.push({
      id: 'publication-not-via-root',
      severity: 'error',
      what: `the publication ${name} streams partitions under their own names`,
      why: 'Changes of a partitioned table would not arrive under its name.',
      sql: [`ALTER PUBLICATION ${quoted} SET (publish_via_partition_root = true);`],
    });
  }
  return findings;
}

function isAsSaid({ rowFilter }: PublishedTable, filter: RowFilter | undefined): boolean {
  if (rowFilter === undefined || filter === undefined) return rowFilter === filter;
  return isCondition(rowFilter, filter);
}
