import type { SharingFacts } from './sharing-facts.ts';

/** One way in which a source's database is shared. */
export interface SharingFinding {
  readonly source: string;
  readonly id:
    | 'shared-database'
    | 'shared-server'
    | 'foreign-reader'
    | 'foreign-table'
    | 'reaching-extension'
    | 'foreign-replication'
    | 'view-across-owners'
    | 'foreign-connection';
  readonly what: string;
  /** Why it ties services together. */
  readonly why: string;
}

/** What of the sources' databases is shared behind their services' backs. Pure. */
export function judgeSharing(
  sources: readonly { readonly source: string; readonly facts: SharingFacts }[],
): SharingFinding[] {
  return sources.flatMap((one, index) => {
    const { source, facts } = one;
    const finding = (id: SharingFinding['id'], what: string, why: string): SharingFinding => ({
      source,
      id,
      what,
      why,
    });
    const neighbours = sources
      .slice(0, index)
      .filter((other) => other.facts.server === facts.server);
    return [
      ...neighbours.map((other) =>
        other.facts.database === facts.database
          ? finding(
              'shared-database',
              `${source} and ${other.source} are one database, ${facts.database}`,
              'A change of its schema can break both, and nothing says which tables are whose.',
            )
          : finding(
              'shared-server',
              `${source} and ${other.source} are databases of one server`,
              'They share its memory, its log, its restarts and upgrades.',
            ),
      ),
      ...facts.readers.map(({ role, tables }) =>
        finding(
          'foreign-reader',
          `role ${role} can log in and has rights on ${list(tables)}`,
          'Whoever uses it depends on tables that the service believes are its own.',
        ),
      ),
      ...facts.foreignTables.map(({ table, server }) =>
        finding(
          'foreign-table',
          `${table} is a table on ${server}`,
          'A query of this service is a query on another one, which must be up and must not change.',
        ),
      ),
      ...facts.extensions.map((extension) =>
        finding(
          'reaching-extension',
          `extension ${extension} is installed`,
          'With it SQL of this database reaches into others.',
        ),
      ),
      ...facts.replication.map((what) =>
        finding(
          'foreign-replication',
          `there is a ${what}, which is not Tributary's`,
          'Somebody copies tables of this database, or it copies somebody else’s.',
        ),
      ),
      ...facts.views.map(({ view, owner, tables }) =>
        finding(
          'view-across-owners',
          `view ${view} of ${owner} reads ${list(tables)}, which ${tables.length === 1 ? 'is' : 'are'} not its owner's`,
          'The tables cannot change without it, and whoever may read the view may read them.',
        ),
      ),
      ...facts.connections.map(({ role, count }) =>
        finding(
          'foreign-connection',
          `${count} ${count === 1 ? 'connection' : 'connections'} of role ${role}, which owns nothing here`,
          'Somebody else is at work in this database right now.',
        ),
      ),
    ];
  });
}

const MAX_LISTED = 5;

function list(names: readonly string[]): string {
  const more = names.length - MAX_LISTED;
  return `${names.slice(0, MAX_LISTED).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}
