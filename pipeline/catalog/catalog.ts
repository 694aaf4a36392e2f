import { z } from 'zod';
import type { Secret } from '#runtime/config.ts';
import type { ColumnRules } from './column-rules.ts';
import { alertEntry, driftEntry, type AlertTarget, type DriftRule } from './drift-rule.ts';
import { eraseEntry, type EraseRule } from './erase-rule.ts';
import { MASK_KEY_VARIABLE } from './mask.ts';
import type { PostgresAddress } from './postgres-address.ts';
import type { TablePattern } from './table-pattern.ts';

/** Databases of the warehouse that a source cannot be named after. */
export const RESERVED_NAMES: readonly string[] = [
  'changes',
  'current',
  'history',
  'marts',
  'ops',
  'events',
  'system',
  'default',
  'information_schema',
];

const NAME_RULE =
  'must be lower-case letters, digits and underscores, begin with a letter, be at most 31 long, and neither contain two underscores in a row nor end in one';

const sourceName = z
  .string()
  // `__` parts source from table in the warehouse: `a__b` + `c` would be `a` + `b__c`.
  .regex(/^[a-z](?:_?[a-z0-9])*$/, NAME_RULE)
  .max(31, NAME_RULE)
  .refine((name) => !RESERVED_NAMES.includes(name), {
    error: ({ input }) => `"${String(input)}" is a database of the warehouse itself`,
  })
  .meta({
    description:
      'Name of the source. It becomes the ClickHouse database analysts query, the prefix of the ' +
      'Kafka topics, and part of the names of connector, slot and publication. Choose it once: ' +
      `another name is another source. It ${NAME_RULE}. Not allowed: ${RESERVED_NAMES.join(', ')}.`,
    examples: ['orders'],
  });

const tablePatterns = z.array(
  z.string().meta({
    description:
      'schema.table; * stands for any characters, ? for one. Letters keep their case. Put a name ' +
      'with other characters in double quotes, where everything is literal: public."order-lines".',
    examples: ['public.*', 'public.order_lines', 'sales.inv_????'],
  }),
);

const sourceEntry = z.strictObject({
  name: sourceName,
  url: z.string().meta({
    description:
      'Where the database is and which role captures it: ' +
      'postgres://user:password@host:port/dbname. ${VARIABLE} is taken from the environment, ' +
      'as it stands: percent-encode special characters of a password. Add ?sslmode=require ' +
      'for an encrypted connection.',
    examples: ['${ORDERS_CAPTURE_URL}'],
  }),
  tables: tablePatterns.min(1, 'must list at least one table pattern').meta({
    description: 'Tables to capture. Each needs a primary key, or a line under `keys`.',
    examples: [['public.*']],
  }),
  exclude: tablePatterns.optional().meta({
    description: 'Tables to leave out although a pattern in `tables` matches them.',
    examples: [['public.schema_migrations']],
  }),
  outbox: z
    .string()
    .optional()
    .meta({
      description:
        'schema.table of an outbox. Its rows are not loaded into the warehouse: Debezium publishes ' +
        'each as a domain event to the topic events.<source>.<type>. It needs the columns of ' +
        "Debezium's outbox event router (id, aggregatetype, aggregateid, type, payload) and created_at.",
      examples: ['messaging.outbox'],
    }),
  first_load: z
    .enum(['snapshot', 'copy'])
    .optional()
    .meta({
      description:
        'How the rows come that are there when the source is new: `copy` reads them straight into the ' +
        'warehouse, `snapshot` leaves them to Debezium, which begins sooner and takes many times as ' +
        'long. Without either they are copied when there are 32 MB of them or more. Where a copy ' +
        'cannot do it, Debezium does, and it is said why.',
      examples: ['copy'],
    }),
  copy_rows_per_second: z
    .int()
    .positive()
    .optional()
    .meta({
      description:
        'How many rows a second a first load or a resync may read from this database; without it as ' +
        'fast as two connections go.',
      examples: [20_000],
    }),
  text_columns: z
    .array(
      z.string().meta({
        description:
          'schema.table.column, with the wildcards and quotes of `tables`. Columns of other types ' +
          'than numeric, date, timestamp, timestamptz and their arrays are not changed by it.',
        examples: ['public.contracts.valid_to'],
      }),
    )
    .optional()
    .meta({
      description:
        "Columns to keep as exact text in Postgres's own spelling, because they hold what the " +
        'ClickHouse type cannot: NaN in a numeric with precision; infinity, BC, years before 1900 ' +
        'or after 2299 in a date or timestamp.',
      examples: [['public.contracts.valid_to']],
    }),
  renames: z
    .record(
      z.string().regex(/^[^.]+\..+$/, 'must be schema.table'),
      z.record(z.string(), z.string()),
    )
    .optional()
    .meta({
      description:
        'Columns that are published under another name than they have at the source: by ' +
        'schema.table, published name: name at the source. Renames that happen while the pipeline ' +
        'knows the table need no line: a column keeps the name under which it was first seen.',
      examples: [{ 'public.users': { email: 'primary_email' } }],
    }),
  keys: z
    .record(
      z.string().regex(/^\w+\.\w+$/, 'must be schema.table, of letters, digits and underscores'),
      z
        .array(z.string().regex(/^\w+$/, 'must be a column, of letters, digits and underscores'))
        .min(1, 'must name a column'),
    )
    .optional()
    .meta({
      description:
        'For tables whose REPLICA IDENTITY is USING INDEX: by schema.table the columns of that ' +
        'index, which then tell rows apart instead of a primary key.',
      examples: [{ 'public.prices': ['sku', 'valid_from'] }],
    }),
  rows: z
    .record(
      z.string().regex(/^[^.]+\..+$/, 'must be schema.table'),
      z.record(
        z.string(),
        z
          .array(z.string().regex(/^[\w.-]+$/, 'must be of letters, digits, _, . and -'))
          .min(1, 'must name a value'),
      ),
    )
    .optional()
    .meta({
      description:
        'Rows that leave the database: by schema.table those with one of these values in each of the ' +
        'columns. All others stay where they are, unseen by the capture role; a row whose value changes ' +
        'comes or goes. For data that must stay in its region.',
      examples: [{ 'public.users': { region: ['eu'] } }],
    }),
  mask: z
    .record(
      z.string().meta({
        description: 'schema.table.column, with the wildcards and quotes of `tables`.',
        examples: ['public.users.email'],
      }),
      z.enum(['drop', 'hash', 'redact', 'keep']),
    )
    .optional()
    .meta({
      description:
        'Columns whose values must not reach the warehouse: `drop` leaves the column out, `redact` ' +
        'puts *** in place of its values, `hash` a keyed hash, the same for the same value, so ' +
        `that joins still work (its key is in ${MASK_KEY_VARIABLE}). The first line that matches ` +
        'a column decides; `keep` makes an exception of what later lines match.',
      examples: [{ 'public.users.email': 'hash', 'public.*.password': 'drop' }],
    }),
  contract: z
    .array(
      z.string().meta({
        description: 'schema.table.column, by its published name, with the wildcards of `tables`.',
        examples: ['public.users.email'],
      }),
    )
    .optional()
    .meta({
      description:
        'Columns that analysts rely on. A change that would take one away stops its table instead, ' +
        'with an error that says what to do.',
      examples: [['public.users.email']],
    }),
});

/** The catalog file as it is written; `tributary.schema.json` is generated from this. */
export const catalogDocument = z
  .strictObject({
    sources: z.array(sourceEntry).min(1, 'must list at least one source').meta({
      description: 'The Postgres databases whose tables flow into the warehouse.',
    }),
    drift: z.array(driftEntry).optional().meta({
      description: 'Which fields are copies of which, for the drift monitor.',
    }),
    alerts: z.array(alertEntry).optional().meta({
      description: 'Where the drift monitor sends alerts, beside its log and its metrics.',
    }),
    erase: z.array(eraseEntry).optional().meta({
      description: 'Where personal data is, for `tributary erase`.',
    }),
  })
  .meta({
    title: 'Tributary catalog',
    description: 'Which tables of which Postgres databases Tributary carries into the warehouse.',
  });

/** One Postgres database, captured by one connector. */
export interface Source extends ColumnRules {
  readonly name: string;
  /** URL with the capture role's credentials. */
  readonly url: Secret;
  /** Password of the URL, decoded; empty when it has none. */
  readonly password: Secret;
  /** The rest of the URL, decoded: safe to show. */
  readonly address: Omit<PostgresAddress, 'password'>;
  readonly tables: readonly TablePattern[];
  readonly exclude: readonly TablePattern[];
  /** Table whose rows are published as domain events; `exclude` has it, too. */
  readonly outbox: TablePattern | undefined;
  /** Types of its events whose topics keep the newest of each key alone, so that one can be erased. */
  readonly erasableEvents: readonly string[];
  /** How the rows come that are there when the source is new: see pipeline/docs/first-load.md. */
  readonly firstLoad: 'snapshot' | 'copy' | 'by size';
  /** What first loads and resyncs may read of it; undefined: as much as they can. */
  readonly copyRowsPerSecond: number | undefined;
  /** By `schema.table` names at the source by published names. */
  readonly renames: ReadonlyMap<string, ReadonlyMap<string, string>>;
  /** By `schema.table` the columns of the index that is its replica identity. */
  readonly keys: ReadonlyMap<string, readonly string[]>;
  /** By `schema.table`, and column, the values of the rows that leave the database. */
  readonly rows: ReadonlyMap<string, ReadonlyMap<string, readonly string[]>>;
}

/** Everything Tributary was told to carry. */
export interface Catalog {
  /** File it was read from. */
  readonly path: string;
  readonly sources: readonly Source[];
  /** Which fields are copies of which. */
  readonly drift: readonly DriftRule[];
  readonly alerts: readonly AlertTarget[];
  /** Where personal data is. */
  readonly erase: readonly EraseRule[];
  /** Environment variables that it refers to. */
  readonly variables: readonly string[];
}

/** The catalog's source of this name, if it has one. */
export function findSource(catalog: Catalog, name: string): Source | undefined {
  return catalog.sources.find((source) => source.name === name);
}
