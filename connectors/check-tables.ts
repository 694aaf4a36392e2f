import { tableTopic } from '../pipeline/source/table-topic.ts';
import { matchesTable, type TablePattern } from '../pipeline/catalog/table-pattern.ts';
import type { Source } from '../pipeline/catalog/catalog.ts';
import { didYouMean } from '../pipeline/catalog/did-you-mean.ts';
import type { CapturedTables } from './captured-tables.ts';
import type { Finding } from './finding.ts';
import type { RoleFacts, SourceFacts, TableFacts } from './source-facts.ts';
import { rowFilterOf } from './row-filter.ts';
import { quoteIdent, quoteTable } from './sql-quote.ts';
import { withoutWholeRows } from './whole-rows.ts';

/** Checks what the patterns match, and each captured table. */
export function checkTables(
  facts: SourceFacts,
  source: Source,
  catalogPath: string,
  { captured, partitionsBesideRoot, outbox, published }: CapturedTables,
): Finding[] {
  return [
    ...checkPatterns(facts, source, catalogPath),
    ...(source.outbox === undefined ? [] : checkOutbox(source.outbox, outbox)),
    ...partitionsBesideRoot.map(partitionMatched),
    ...published.flatMap((table) => checkIdentity(facts, table, keyOf(source, table))),
    ...checkKeys(facts, source),
    ...published.flatMap((table) =>
      checkRights(table, facts.role, rowFilterOf(source, table) !== undefined),
    ),
    ...checkNames(captured),
  ];
}

function checkPatterns(facts: SourceFacts, source: Source, catalogPath: string): Finding[] {
  const check = (key: 'tables' | 'exclude', severity: Finding['severity']) =>
    source[key]
      .filter((pattern) => pattern !== source.outbox)
      .filter((pattern) => !facts.tables.some((table) => matchesTable(pattern, table)))
      .map((pattern): Finding => {
        const names = facts.tables.map(({ schema, table }) => `${schema}.${table}`);
        const near = didYouMean(pattern.text, names);
        const place = pattern.line === undefined ? '' : ` (${catalogPath}:${pattern.line})`;
        return {
          id: 'pattern-matches-nothing',
          severity,
          what: `no table matches ${pattern.text} under \`${key}\`${place}`,
          why:
            near === undefined
              ? `There are ${names.length === 0 ? 'no tables' : `${names.length} tables`} in database ${facts.database}.`
              : `Did you mean ${near}?`,
          sql: [],
          advice: 'Correct the pattern (letters keep their case), or make the table first.',
        };
      });
  return [...check('tables', 'error'), ...check('exclude', 'warning')];
}

/** Types that each column of an outbox may have; the router fails at every event with others. */
const OUTBOX_COLUMNS: Readonly<Record<string, readonly string[]>> = {
  id: ['uuid'],
  aggregatetype: ['text', 'varchar'],
  aggregateid: ['text', 'varchar'],
  type: ['text', 'varchar'],
  payload: ['jsonb', 'json'],
  created_at: ['timestamptz'],
};

function checkOutbox(wanted: TablePattern, outbox: TableFacts | undefined): Finding[] {
  const advice = 'services/README.md shows an outbox table; or take `outbox` out of the catalog.';
  if (outbox === undefined) {
    return [
      {
        id: 'outbox-missing',
        severity: 'error',
        what: `there is no table ${wanted.text}, which the catalog names as outbox`,
        why: 'There would be no events to publish.',
        sql: [],
        advice,
      },
    ];
  }
  const types = new Map(outbox.columns.map(({ name, type }) => [name, type]));
  const wrong = Object.entries(OUTBOX_COLUMNS).filter(
    ([name, allowed]) => !allowed.includes(types.get(name) ?? ''),
  );
  if (wrong.length === 0) return [];
  const list = wrong.map(([name, allowed]) => `${name} ${allowed.join(' or ')}`).join(', ');
  return [
    {
      id: 'outbox-columns',
      severity: 'error',
      what: `the outbox ${quoteTable(outbox)} lacks ${list}`,
      why: 'The outbox event router would fail at the first event.',
      sql: [],
      advice,
    },
  ];
}

function partitionMatched(table: TableFacts): Finding {
  return {
    id: 'partition-matched',
    severity: 'error',
    what: `${quoteTable(table)} is matched, and so is ${table.partitionRoot === undefined ? 'its root' : quoteTable(table.partitionRoot)}, whose partition it is`,
    why: 'The snapshot would read its rows twice, and the second copy would never change again.',
    sql: [],
    advice: `Add ${quoteTable(table)} (or a pattern for all partitions) under \`exclude\` in the catalog.`,
  };
}

/** The columns that the catalog says tell the rows of a table apart. */
function keyOf({ keys }: Source, { schema, table }: TableFacts): readonly string[] | undefined {
  return keys.get(`${schema}.${table}`);
}

function checkKeys(facts: SourceFacts, source: Source): Finding[] {
  const names = new Set(facts.tables.map(({ schema, table }) => `${schema}.${table}`));
  return [...source.keys.keys()]
    .filter((name) => !names.has(name))
    .map((name): Finding => ({
      id: 'key-of-nothing',
      severity: 'warning',
      what: `there is no table ${name}, which has a line under \`keys\``,
      why: 'The line says nothing.',
      sql: [],
      advice: 'Correct its name (letters keep their case), or take the line out.',
    }));
}

function checkIdentity(
  facts: SourceFacts,
  table: TableFacts,
  key: readonly string[] | undefined,
): Finding[] {
  const name = quoteTable(table);
  if (table.unlogged) {
    return [
      {
        id: 'unlogged-table',
        severity: 'error',
        what: `${name} is unlogged`,
        why: 'Its changes are not in the WAL, so there is nothing to stream.',
        sql: [`ALTER TABLE ${name} SET LOGGED;`],
      },
    ];
  }
  if (key !== undefined || table.identityColumns.length > 0) return checkIdentityIndex(table, key);
  if (table.primaryKey === 'none') return checkKeyless(facts, table);
  if (table.primaryKey === 'deferrable') {
    return [
      {
        id: 'replica-identity',
        severity: 'error',
        what: `the primary key of ${name} is deferrable`,
        why:
          'Postgres refuses the service updates and deletes of a published table by such a key; and with ' +
          'REPLICA IDENTITY FULL two rows may have one key for a moment: when keys are shifted, the delete of ' +
          'the one would take the other from the warehouse.',
        sql: [`ALTER TABLE ${name} ${table.keyMadeImmediate ?? ''};`],
        advice:
          'That builds the index anew and locks the table meanwhile; foreign keys to it have to be dropped ' +
          'before and made again after. Or leave the table out: `exclude` in the catalog.',
      },
    ];
  }
  if (table.replicaIdentity === 'n' || table.replicaIdentity === 'i') {
    return [
      {
        id: 'replica-identity',
        severity: 'error',
        what: `the replica identity of ${name} is not its primary key`,
        why: 'Updates and deletes would not say which row they are about, or be refused to the service.',
        sql: [`ALTER TABLE ${name} REPLICA IDENTITY DEFAULT;`],
      },
    ];
  }
  return [];
}

/** Checks a table whose rows nothing tells apart: its changes have to tell whole rows. */
function checkKeyless(facts: SourceFacts, table: TableFacts): Finding[] {
  const name = quoteTable(table);
  const { keyCandidate, uniqueIndex } = table;
  const addKey = `ALTER TABLE ${name} ADD COLUMN ${freeName(table)} bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY;`;
  const refuse = (finding: Omit<Finding, 'id' | 'severity'>): Finding[] => [
    { id: 'no-primary-key', severity: 'error', ...finding },
  ];
  if (uniqueIndex !== undefined) {
    return refuse({
      what: `${name} has no primary key, but the unique index ${keyCandidate ?? uniqueIndex}`,
      why:
        'The connector would tell rows apart by it, with NULL, or where it does not hold, as one row; ' +
        'and unless the replica identity is FULL, Postgres refuses the service its own UPDATE and DELETE.',
      sql: [
        keyCandidate === undefined
          ? addKey
          : `ALTER TABLE ${name} ADD PRIMARY KEY USING INDEX ${keyCandidate};`,
      ],
      advice:
        keyCandidate === undefined
          ? 'Or drop the index and set REPLICA IDENTITY FULL; or leave the table out: `exclude` in the catalog.'
          : `Or let the index tell rows apart: ALTER TABLE ${name} REPLICA IDENTITY USING INDEX ${keyCandidate}; and a line under \`keys\` in the catalog.`,
    });
  }
  const narrow = withoutWholeRows(facts, table);
  if (narrow.length === 0) return [];
  return refuse({
    what: `${name} has no primary key, and its replica identity is not FULL`,
    why:
      'Only whole rows say which row a change is about; and once it is published without, Postgres ' +
      'refuses the service its own UPDATE and DELETE on it.',
    sql: narrow.map((one) => `ALTER TABLE ${quoteTable(one)} REPLICA IDENTITY FULL;`),
    advice: `${table.partitioned ? 'Partitions that are made later need it too. ' : ''}Or add a key, which costs the service less: ${addKey} Or leave the table out: \`exclude\` in the catalog.`,
  });
}

/** Checks a table whose rows are told apart by the index that is its replica identity, or are to be. */
function checkIdentityIndex(table: TableFacts, key: readonly string[] | undefined): Finding[] {
  const name = quoteTable(table);
  const { identityColumns } = table;
  if (table.partitioned) {
    return [
      {
        id: 'replica-identity',
        severity: 'error',
        what: `${name} is partitioned, and is to be told apart by an index`,
        why: 'Each partition has a replica identity of its own, so that deletes may not say which row they are about.',
        sql: [`ALTER TABLE ${name} REPLICA IDENTITY DEFAULT;`],
        advice:
          'Do the same for its partitions, and take its line under `keys` out of the catalog.',
      },
    ];
  }
  if (identityColumns.length === 0) {
    return [
      {
        id: 'replica-identity',
        severity: 'error',
        what: `${name} has a line under \`keys\` in the catalog, and its replica identity is no index`,
        why: 'Updates and deletes would not say which row they are about.',
        sql:
          table.keyCandidate === undefined
            ? []
            : [`ALTER TABLE ${name} REPLICA IDENTITY USING INDEX ${table.keyCandidate};`],
        advice:
          'Make a unique index over NOT NULL columns its replica identity, or take the line out.',
      },
    ];
  }
  const isSame =
    key?.length === identityColumns.length && identityColumns.every((one) => key.includes(one));
  if (isSame) return [];
  return [
    {
      id: 'replica-identity',
      severity: 'error',
      what: `the replica identity of ${name} is an index over (${identityColumns.join(', ')}), and the catalog says ${key === undefined ? 'nothing of it' : `(${key.join(', ')})`}`,
      why: 'Deletes tell those columns alone, so it has to be them that tell rows apart.',
      sql:
        table.primaryKey === 'immediate' && key === undefined
          ? [`ALTER TABLE ${name} REPLICA IDENTITY DEFAULT;`]
          : [],
      advice: `Write under the source: keys: { ${table.schema}.${table.table}: [${identityColumns.join(', ')}] }`,
    },
  ];
}

/** A name for a new column that the table does not have yet. */
function freeName({ columns }: TableFacts): string {
  const taken = new Set(columns.map(({ name }) => name));
  let name = 'id';
  for (let number = 1; taken.has(name); number++) name = `row_id${number === 1 ? '' : number}`;
  return name;
}

function checkRights(table: TableFacts, role: RoleFacts, isFiltered: boolean): Finding[] {
  const [name, to] = [quoteTable(table), quoteIdent(role.name)];
  const findings: Finding[] = [];
  if (!table.roleSelects || !table.roleUsesSchema) {
    findings.push({
      id: 'role-cannot-read',
      severity: 'error',
      what: `role ${role.name} may not read ${name}`,
      why: 'The snapshot selects the rows that are there before the first change.',
      sql: [
        ...(table.roleUsesSchema
          ? []
          : [`GRANT USAGE ON SCHEMA ${quoteIdent(table.schema)} TO ${to};`]),
        ...(table.roleSelects ? [] : [`GRANT SELECT ON TABLE ${name} TO ${to};`]),
      ],
    });
  }
  const isSubject = !role.bypassesRowSecurity && !role.superuser && !table.roleOwns;
  if (table.rowSecurity && isSubject && !isFiltered) {
    findings.push({
      id: 'row-security',
      severity: 'error',
      what: `${name} has row security, and role ${role.name} is subject to it`,
      why: 'The snapshot would silently leave out the rows that its policies hide.',
      sql: [`ALTER ROLE ${to} BYPASSRLS;`],
    });
  }
  if (table.roleWrites.length > 0 && !role.superuser) {
    findings.push({
      id: 'role-can-write',
      severity: 'warning',
      what: `role ${role.name} may also ${table.roleWrites.join(', ')} on ${name}`,
      why: 'Capture reads. A leaked password of its role should not be able to change the service.',
      sql: table.roleOwns
        ? []
        : [`REVOKE ${table.roleWrites.join(', ')} ON TABLE ${name} FROM ${to};`],
      ...(table.roleOwns
        ? {
            advice:
              'It owns the table: make a role of its own for capture (`tributary connectors sql`).',
          }
        : {}),
    });
  }
  return findings;
}

/** Names that Kafka or the warehouse would not tell apart. */
function checkNames(captured: readonly TableFacts[]): Finding[] {
  const topic = ({ schema, table }: TableFacts) => tableTopic('source', schema, table);
  const relation = ({ schema, table }: TableFacts) =>
    schema === 'public' ? table : `${schema}__${table}`;
  return [...collisions(captured, topic), ...collisions(captured, relation)].map(
    ([first, second]): Finding => ({
      id: 'names-collide',
      severity: 'error',
      what: `${quoteTable(first)} and ${quoteTable(second)} come to one name in Kafka or the warehouse`,
      why: 'Their rows would be mixed in one table.',
      sql: [],
      advice: 'Leave one of them out (`exclude` in the catalog), or rename it.',
    }),
  );
}

/** Pairs of items that the same text stands for. */
export function collisions<T>(items: readonly T[], textOf: (item: T) => string): [T, T][] {
  const first = new Map<string, T>();
  const pairs: [T, T][] = [];
  for (const item of items) {
    const text = textOf(item);
    const other = first.get(text);
    if (other === undefined) first.set(text, item);
    else pairs.push([other, item]);
  }
  return pairs;
}
