import { z } from 'zod';
import type { Secret } from '#runtime/config.ts';
import { endpointEntry, type Endpoint } from './endpoint.ts';
import type { TableName } from './table-pattern.ts';

/** A captured table, by its source. */
export interface CapturedTable extends TableName {
  readonly source: string;
}

/** What is made alike on both sides before they are compared. */
export type Normalization = 'trim' | 'lower-case' | 'collapse-spaces';

/** A column of a copy, and the column of the owner that it repeats; both by their published names. */
export interface CopiedField {
  readonly copy: string;
  readonly owner: string;
  readonly normalize: readonly Normalization[];
}

/** A copy of an owner's fields, and how far it may lag behind. */
export interface DriftRule {
  readonly name: string;
  readonly owner: CapturedTable;
  readonly copy: CapturedTable;
  /** Columns of the copy that say whose row it repeats, each with its column of the owner's key. */
  readonly reference: readonly { readonly copy: string; readonly owner: string }[];
  readonly fields: readonly CopiedField[];
  /** Rows of the copy that are looked at: those with one of these texts in each of the columns. */
  readonly where: ReadonlyMap<string, readonly (string | null)[]>;
  readonly allowedStalenessMs: number;
  /** Whether a copy may outlive its owner. */
  readonly orphansAllowed: boolean;
  /** Whether every row of the owner must have its copy. */
  readonly complete: boolean;
  readonly alert: DriftThresholds;
  /** Where the owner publishes its current value again; undefined: it cannot be asked to. */
  readonly repair: Endpoint | undefined;
}

/** From how much on drift is worth an alert. Each is enough. */
export interface DriftThresholds {
  /** Open findings. */
  readonly findings: number;
  /** Share of the copies that drifted, 0 to 1. */
  readonly share: number;
}

/** Where alerts go. */
export interface AlertTarget {
  readonly format: 'slack' | 'alertmanager';
  readonly url: Secret;
}

const TABLE = /^[^.\s]+(?:\.[^.\s]+){1,2}$/;
/** A table as it is written in the catalog. */
export const tableText = z.string().regex(TABLE, 'must be source.table or source.schema.table');
const columns = z.record(z.string(), z.string());
const scalar = z.union([z.string(), z.number(), z.boolean(), z.null()]);
const normalization = z.enum(['trim', 'lower-case', 'collapse-spaces']);

/** A rule as it is written in the catalog. */
export const driftEntry = z.strictObject({
  rule: z
    .string()
    .regex(/^[a-z][a-z0-9-]{0,62}$/, 'must be lower-case letters, digits and hyphens')
    .meta({ description: 'Name of the rule, in alerts, metrics and tables.' }),
  owner: tableText.meta({
    description:
      'The table whose fields are repeated elsewhere: source.table, source.schema.table.',
    examples: ['users.users'],
  }),
  copy: tableText.meta({
    description: 'The table that repeats them.',
    examples: ['orders.orders'],
  }),
  reference: columns.meta({
    description: "Columns of the copy, each with the column of the owner's key that it refers to.",
    examples: [{ user_id: 'id' }],
  }),
  fields: columns.meta({
    description:
      'Columns of the copy, each with the column of the owner that it repeats. All columns are ' +
      'called as they are in the warehouse.',
    examples: [{ user_name: 'name', user_email: 'email' }],
  }),
  normalize: z
    .record(z.string(), z.array(normalization))
    .optional()
    .meta({
      description: 'By column of the copy, what to make alike on both sides before comparing.',
      examples: [{ user_email: ['trim', 'lower-case'] }],
    }),
  where: z
    .record(z.string(), z.union([scalar, z.array(scalar)]))
    .optional()
    .meta({
      description: 'Only rows of the copy with this value, or one of these, in the column.',
      examples: [{ status: ['paid', 'shipped'] }],
    }),
  allowed_staleness: z
    .string()
    .regex(/^[1-9]\d{0,5}[smh]$/, 'must be a duration such as 30s, 5m, or 1h')
    .default('60s')
    .meta({ description: 'How long after the owner a copy may still be old.', examples: ['30s'] }),
  orphans: z
    .enum(['report', 'allow'])
    .default('report')
    .meta({ description: 'Whether a copy whose owner was deleted is drift.', examples: ['allow'] }),
  complete: z
    .boolean()
    .default(false)
    .meta({
      description:
        'Whether every row of the owner must have a copy; the reference must be the primary key of the copy then.',
      examples: [true],
    }),
  alert: z
    .strictObject({
      findings: z
        .number()
        .int()
        .min(1)
        .optional()
        .meta({ description: 'Open findings from which on to alert.', examples: [10] }),
      share: z
        .number()
        .gt(0)
        .max(1)
        .optional()
        .meta({
          description: 'Share of the copies, 0 to 1, from which on to alert.',
          examples: [0.001],
        }),
    })
    .optional()
    .meta({
      description: 'From how many findings, or which share of the copies on, to alert.',
      examples: [{ findings: 10, share: 0.001 }],
    }),
  repair: endpointEntry({
    description: 'Where to POST, with {column} for each column of the key of the owner.',
    example: '${USERS_URL}/users/{id}/republish',
  })
    .optional()
    .meta({
      description:
        "Endpoint of the owner's service that publishes the current value of a row through its " +
        'outbox when it gets a POST; {column} stands for a column of the key.',
      examples: [{ url: '${USERS_URL}/users/{id}/republish' }],
    }),
});

/** Where alerts go, as it is written in the catalog. */
export const alertEntry = z.strictObject({
  format: z.enum(['slack', 'alertmanager']).meta({
    description: 'What the receiver understands.',
    examples: ['slack'],
  }),
  url: z.string().meta({
    description:
      'Where to POST: a Slack-compatible webhook, or https://alertmanager/api/v2/alerts.',
    examples: ['${SLACK_WEBHOOK_URL}'],
  }),
});

const UNITS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000 };

/** Milliseconds of a duration such as `30s`. */
export function durationMs(text: string): number {
  return Number(text.slice(0, -1)) * (UNITS[text.slice(-1)] ?? Number.NaN);
}

/** A table as people name it in a rule. The schema may be left out when it is `public`. */
export function capturedTable(text: string): CapturedTable {
  const [source = '', ...rest] = text.split('.');
  const [schema = 'public', table = ''] = rest.length === 1 ? ['public', rest[0]] : rest;
  return { source, schema, table };
}
