import type { CapturedTables } from './captured-tables.ts';
import { collisions } from './check-tables.ts';
import type { Finding } from './finding.ts';
import type { ColumnFacts, TableFacts } from './source-facts.ts';
import { quoteIdent, quoteTable } from './sql-quote.ts';

/** Checks that what the columns hold can reach the warehouse as it is. */
export function checkColumns({ captured }: CapturedTables, serverVersion: number): Finding[] {
  return captured.flatMap((table) => [
    ...table.columns.flatMap((column) => checkColumn(table, column, serverVersion)),
    ...checkFieldNames(table),
  ]);
}

// Found by capturing a table with a column of every type of Postgres 18 with Debezium 3.6.3.

/** Elements of arrays that Debezium leaves out of its events without a word, or cuts (`time`: to milliseconds). */
const ARRAYS_LOST = new Set('bit varbit interval money name point refcursor time xml'.split(' '));

/** Elements of arrays in which Debezium keeps NULLs; of other arrays one NULL loses the whole. */
const ARRAYS_WITH_NULLS = new Set(
  (
    'bool bpchar bytea char cidr citext date daterange float4 float8 hstore inet int2 int4 ' +
    'int4range int8 int8range json jsonb ltree macaddr macaddr8 numeric numrange oid text ' +
    'timestamp timestamptz timetz tsrange tstzrange uuid varchar'
  ).split(' '),
);

/** Elements of arrays of which Debezium can say that an update left them alone. */
const ARRAYS_MARKED = new Set(
  'text varchar bpchar json jsonb bytea int4 int8 date uuid'.split(' '),
);

function checkColumn(table: TableFacts, column: ColumnFacts, serverVersion: number): Finding[] {
  const name = `${quoteTable(table)}.${quoteIdent(column.name)}`;
  if (column.dimensions === 0 && column.type === 'varbit') {
    return [
      {
        id: 'column-type-lost',
        severity: 'error',
        what: `${name} is bit varying`,
        why: 'Debezium leaves out leading zeros, so 001 and 1 would be the same in the warehouse.',
        sql: [],
        advice:
          'Leave the table out (`exclude` in the catalog), or keep the values as text or bit(n).',
      },
    ];
  }
  if (column.dimensions > 1 || (column.dimensions === 1 && ARRAYS_LOST.has(column.type))) {
    return [
      {
        id: 'column-type-lost',
        severity: 'error',
        what: `${name} is ${column.dimensions > 1 ? 'an array of arrays' : `an array of ${column.type}`}`,
        why: 'Debezium does not carry such values: they would be missing or wrong in the warehouse.',
        sql: [],
        advice: 'Leave the table out (`exclude` in the catalog), or keep the values as jsonb.',
      },
    ];
  }
  const findings: Finding[] = [];
  if (column.dimensions === 1 && !ARRAYS_WITH_NULLS.has(column.type)) {
    findings.push({
      id: 'array-nulls-lost',
      severity: 'warning',
      what: `${name} is an array of ${column.type}`,
      why: 'Debezium sends NULL for the whole array when one of its elements is NULL.',
      sql: [
        `ALTER TABLE ${quoteTable(table)} ADD CHECK (array_position(${quoteIdent(column.name)}, NULL) IS NULL);`,
      ],
      advice: 'The check makes sure that no element ever is.',
    });
  }
  if (column.dimensions === 1 && !ARRAYS_MARKED.has(column.type) && table.replicaIdentity !== 'f') {
    findings.push({
      id: 'array-unchanged-lost',
      severity: 'warning',
      what: `${name} is an array of ${column.type}, and the replica identity of its table not FULL`,
      why:
        'Once such an array is stored out of line, at some 2 kB, an update that leaves it alone ' +
        'stops the connector: Debezium has no way to say that it is as it was.',
      sql: [`ALTER TABLE ${quoteTable(table)} REPLICA IDENTITY FULL;`],
    });
  }
  const streamed = column.generated === 'stored' && serverVersion >= 180_000;
  if (column.generated !== 'no' && !streamed) {
    return [
      {
        id: 'generated-column',
        severity: 'warning',
        what: `${name} is a generated column (${column.generated})`,
        why: 'Postgres does not stream its values, so the warehouse has those of the snapshot alone.',
        sql: [],
        advice: 'Compute it in the query, or make it an ordinary column that a trigger fills.',
      },
    ];
  }
  return findings;
}

function checkFieldNames(table: TableFacts): Finding[] {
  return collisions(table.columns, ({ name }) => avroName(name)).map(
    ([first, second]): Finding => ({
      id: 'column-names-collide',
      severity: 'error',
      what: `columns ${quoteIdent(first.name)} and ${quoteIdent(second.name)} of ${quoteTable(table)} come to one Avro name`,
      why: 'Avro names have letters, digits and underscores alone; the connector stops at the second.',
      sql: [
        `ALTER TABLE ${quoteTable(table)} RENAME COLUMN ${quoteIdent(second.name)} TO ${quoteIdent(`${avroName(second.name)}_2`)};`,
      ],
    }),
  );
}

/** A column's field name in the Avro schema; the original is in the field's parameters. */
export function avroName(name: string): string {
  const replaced = name.replace(/[^A-Za-z0-9_]/g, '_');
  return /^[0-9]/.test(replaced) ? `_${replaced}` : replaced;
}
