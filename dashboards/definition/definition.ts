import { z } from 'zod';
import { GIVEN_PARAMETERS } from './sql-parameters.ts';

/** Names that the address of a page and queries have for themselves. */
const RESERVED_VARIABLES: readonly string[] = [
  ...GIVEN_PARAMETERS,
  'range',
  'at',
  'series',
  'label',
];

/** How far back a page can look: spans that end now, in seconds. */
export const RANGES = {
  '5m': 300,
  '15m': 900,
  '1h': 3_600,
  '6h': 21_600,
  '24h': 86_400,
  '7d': 604_800,
  '30d': 2_592_000,
  '90d': 7_776_000,
} as const;

/** Name of a span of {@link RANGES}. */
export type RangeName = keyof typeof RANGES;

const COLUMNS = 12;

const identifier = z
  .string()
  .regex(/^[a-z][a-z0-9_]*$/, 'must be lower-case letters, digits and underscores')
  .refine((name) => !RESERVED_VARIABLES.includes(name), {
    error: ({ input }) => `"${String(input)}" is a word of the page's own`,
  });

const sentence = z.string().min(1, 'must not be empty');

const threshold = z.strictObject({
  at: z.number(),
  level: z.enum(['warning', 'critical']),
  when: z.enum(['above', 'below']).default('above'),
});

const link = z.strictObject({
  dashboard: identifier,
  variables: z.record(identifier, z.string()).default({}),
});

/** What to say when there are no rows. */
const empty = z.strictObject({ text: sentence, tone: z.enum(['calm', 'good']).default('calm') });

const drilldown = z.strictObject({ title: sentence, sql: sentence });

const panel = z.strictObject({
  id: identifier,
  title: sentence,
  description: sentence.optional(),
  kind: z.enum(['timeseries', 'bar', 'stat', 'table']),
  unit: z.enum(['count', 'per_second', 'ms', 'bytes', 'percent', 'money']).default('count'),
  /** Of twelve columns. */
  width: z.number().int().min(2).max(COLUMNS),
  /** One series on top of the other: only where their sum means something. */
  stack: z.boolean().default(false),
  /** What a piece of time without rows is: nothing happened, or nothing is known. */
  gaps: z.enum(['zero', 'open']).default('zero'),
  thresholds: z.array(threshold).default([]),
  empty: empty.optional(),
  link: link.optional(),
  drilldown: drilldown.optional(),
  sql: sentence,
});

const variable = z.strictObject({
  name: identifier,
  label: sentence,
  default: z.string().default(''),
  /** A query of one column: the values to choose from. */
  options: sentence,
});

/** One file of `definitions/`. */
export const dashboardDocument = z.strictObject({
  title: sentence,
  description: sentence,
  /** Place in the menu. */
  order: z.number(),
  /** Sources that the page is about; its freshness is theirs. Empty means all there are. */
  sources: z.array(z.string()),
  range: z.enum(Object.keys(RANGES) as [RangeName, ...RangeName[]]),
  variables: z.array(variable).default([]),
  panels: z.array(panel).min(1, 'must have at least one panel'),
});

/** A dashboard: what its file says, and the name of the file. */
export type Dashboard = z.output<typeof dashboardDocument> & { readonly id: string };

/** A panel of a dashboard. */
export type Panel = z.output<typeof panel>;

/** A filter of a dashboard. */
export type Variable = z.output<typeof variable>;
