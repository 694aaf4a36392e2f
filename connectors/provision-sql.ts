import type { TableName } from '../pipeline/catalog/table-pattern.ts';
import type { Source } from '../pipeline/catalog/catalog.ts';
import { policySql, publishedAs, rowFilterOf } from './row-filter.ts';
import { quoteIdent, quoteLiteral, quoteTable } from './sql-quote.ts';

/** Postgres 18 can publish stored generated columns; before, the stream leaves them out. */
const GENERATED_COLUMNS_SINCE = 180_000;

function publicationOptions(serverVersion: number): string {
  return [
    "publish = 'insert, update, delete, truncate'",
    'publish_via_partition_root = true',
    ...(serverVersion >= GENERATED_COLUMNS_SINCE ? ['publish_generated_columns = stored'] : []),
  ].join(', ');
}

/** Statements that make a publication which is not there. */
export function createPublication(
  name: string,
  tables: readonly TableName[],
  source: Pick<Source, 'rows'>,
  serverVersion: number,
): string[] {
  const list = tables.map((table) => publishedAs(source, table)).join(', ');
  return [
    `CREATE PUBLICATION ${quoteIdent(name)} FOR TABLE ${list} ` +
      `WITH (${publicationOptions(serverVersion)});`,
  ];
}

/** What to prepare in a source database. */
export interface Provisioning {
  readonly role: string;
  /** For a role that has to be made; without it the role cannot log in until it gets one. */
  readonly password?: string;
  readonly database: string;
  readonly publication: string;
  readonly tables: readonly TableName[];
  /** Which of their rows leave. */
  readonly source: Pick<Source, 'rows'>;
  readonly serverVersion: number;
}

/**
 * The script that prepares a database for capture: the role, its rights, the publication. Running
 * it again changes nothing; run after `tables` has changed, it adds and takes away.
 *
 * It gives up after five seconds rather than queue behind a long lock, where the service's own
 * statements would queue behind it.
 */
export function provisionSql(what: Provisioning): string {
  const role = quoteIdent(what.role);
  const publication = quoteIdent(what.publication);
  const tables = what.tables.map(quoteTable);
  const schemas = [...new Set(what.tables.map(({ schema }) => schema))].map(quoteIdent);
  const password = what.password === undefined ? '' : ` PASSWORD ${quoteLiteral(what.password)}`;
  const list = `TABLE ${tables.join(', ')}`;
  const published = what.tables.map((table) => publishedAs(what.source, table)).join(', ');
  return `BEGIN;
SET LOCAL lock_timeout = '5s';

${what.password === undefined ? `-- A new role cannot log in until it has a password: ALTER ROLE ${role} PASSWORD '…';\n` : ''}${guarded(
    `NOT EXISTS (SELECT FROM pg_roles WHERE rolname = ${quoteLiteral(what.role)})`,
    `CREATE ROLE ${role} LOGIN REPLICATION${password};`,
  )}
${guarded(
  `NOT EXISTS (SELECT FROM pg_roles WHERE rolname = ${quoteLiteral(what.role)} AND (rolreplication OR rolsuper))`,
  `ALTER ROLE ${role} REPLICATION;`,
)}
GRANT CONNECT ON DATABASE ${quoteIdent(what.database)} TO ${role};
GRANT USAGE ON SCHEMA ${schemas.join(', ')} TO ${role};
GRANT SELECT ON ${list} TO ${role};
${filteredTables(what)}
${guarded(
  `EXISTS (SELECT FROM pg_publication WHERE pubname = ${quoteLiteral(what.publication)} AND puballtables)`,
  `DROP PUBLICATION ${publication};`,
)}
${guarded(
  `NOT EXISTS (SELECT FROM pg_publication WHERE pubname = ${quoteLiteral(what.publication)})`,
  `CREATE PUBLICATION ${publication};`,
)}
ALTER PUBLICATION ${publication} SET TABLE ${published};
ALTER PUBLICATION ${publication} SET (${publicationOptions(what.serverVersion)});
COMMIT;
`;
}

/**
 * Statements for tables of which not all rows leave. An update tells whether the row was one that
 * leaves only when the old values are logged; without them Postgres would refuse it to the service.
 */
function filteredTables({ tables, source, role }: Provisioning): string {
  return tables
    .flatMap((table) => {
      const filter = rowFilterOf(source, table);
      if (filter === undefined) return [];
      return [
        `ALTER TABLE ${quoteTable(table)} REPLICA IDENTITY FULL;`,
        ...policySql(table, role, filter),
      ];
    })
    .map((statement) => `${statement}\n`)
    .join('');
}

function guarded(condition: string, statement: string): string {
  // A password may hold anything, the closing quote of the block too.
  let quote = '$do$';
  while (`${condition}${statement}`.includes(quote)) quote = quote.replace(/\$$/, '_$');
  return `DO ${quote} BEGIN
  IF ${condition} THEN
    ${statement}
  END IF;
END ${quote};`;
}
