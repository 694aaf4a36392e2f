import type { Source } from '../pipeline/catalog/catalog.ts';
import type { CapturedTables } from './captured-tables.ts';
import type { Finding } from './finding.ts';
import { isCondition, policySql, rowFilterOf, type RowFilter } from './row-filter.ts';
import type { RoleFacts, SourceFacts, TableFacts } from './source-facts.ts';
import { quoteIdent, quoteTable } from './sql-quote.ts';

/** Row filters of publications came with Postgres 15. */
const ROW_FILTERS_SINCE = 150_000;

/** Checks that rows which have to stay in the database can leave it on no way. */
export function checkRows(
  facts: SourceFacts,
  { published }: CapturedTables,
  source: Source,
): Finding[] {
  if (source.rows.size === 0) return [];
  if (facts.serverVersion < ROW_FILTERS_SINCE) {
    return [
      {
        id: 'rows-not-hidden',
        severity: 'error',
        what: 'the catalog says under `rows` which rows may leave, and the server is older than Postgres 15',
        why: 'Its publications know no row filters: all rows would leave.',
        sql: [],
        advice: 'Upgrade Postgres, or take `rows` out of the catalog.',
      },
    ];
  }
  const names = new Set(published.map(({ schema, table }) => `${schema}.${table}`));
  return [
    ...[...source.rows.keys()].filter((name) => !names.has(name)).map(noTable),
    ...published.flatMap((table) => {
      const filter = rowFilterOf(source, table);
      return filter === undefined ? [] : checkFilter(table, filter, facts.role);
    }),
  ];
}

function noTable(name: string): Finding {
  return {
    id: 'rows-of-nothing',
    severity: 'error',
    what: `${name} has a line under \`rows\`, and is no captured table`,
    why: 'If its name is misspelt, the rows of the table that is meant would all leave.',
    sql: [],
    advice: 'Correct its name (letters keep their case), or take the line out.',
  };
}

function checkFilter(table: TableFacts, filter: RowFilter, role: RoleFacts): Finding[] {
  const name = quoteTable(table);
  const lacking = [...filter.keys()].filter(
    (column) => !table.columns.some((one) => one.name === column && one.typeKind === 'b'),
  );
  if (lacking.length > 0 || table.partitioned) {
    return [
      {
        id: 'rows-of-nothing',
        severity: 'error',
        what: table.partitioned
          ? `${name} is partitioned, and has a line under \`rows\``
          : `${name} has no column ${lacking.join(', ')} of a plain type, which its line under \`rows\` asks about`,
        why: table.partitioned
          ? 'Each partition has a replica identity and row security of its own.'
          : 'Publications filter by columns of built-in types alone, which excludes enums.',
        sql: [],
        advice: 'Correct the line, or keep what has to stay in a table of its own.',
      },
    ];
  }
  const findings: Finding[] = [];
  const sees = table.roleSeesOnly;
  if (role.superuser || role.bypassesRowSecurity || table.roleOwns) {
    findings.push({
      id: 'rows-not-hidden',
      severity: 'error',
      what: `role ${role.name} sees all rows of ${name}, whatever a policy says`,
      why: 'The snapshot would take the rows that have to stay.',
      sql: role.bypassesRowSecurity ? [`ALTER ROLE ${quoteIdent(role.name)} NOBYPASSRLS;`] : [],
      ...(role.bypassesRowSecurity
        ? {}
        : { advice: 'Make a role of its own for capture (`tributary connectors sql`).' }),
    });
  } else if (!table.rowSecurity || sees === undefined || !isCondition(sees, filter)) {
    findings.push({
      id: 'rows-not-hidden',
      severity: 'error',
      what: `role ${role.name} sees rows of ${name} that have to stay in the database`,
      why: 'The snapshot, and whatever else reads the table, would take them.',
      sql: policySql(table, role.name, filter),
    });
  }
  const isLogged =
    table.replicaIdentity === 'f' ||
    [...filter.keys()].every((column) =>
      table.columns.some((one) => one.name === column && one.isKey),
    );
  if (!isLogged) {
    findings.push({
      id: 'replica-identity',
      severity: 'error',
      what: `the replica identity of ${name} lacks ${[...filter.keys()].join(', ')}, by which its rows are filtered`,
      why: 'Postgres would refuse the service its own UPDATE and DELETE on the table.',
      sql: [`ALTER TABLE ${name} REPLICA IDENTITY FULL;`],
    });
  }
  return findings;
}
