import { z } from 'zod';
import { capturedTable, tableText, type CapturedTable } from './drift-rule.ts';
import { endpointEntry, type Endpoint } from './endpoint.ts';

/** Data of a subject in one table. */
export interface SubjectData {
  readonly table: CapturedTable;
  /** Column, by its published name, that says whose a row is. */
  readonly reference: string;
  /** Columns that say who somebody is; undefined: the whole row does, all but its key. */
  readonly columns: readonly string[] | undefined;
}

/** Where all is that is known of a person (or whoever else may ask to be forgotten). */
export interface EraseRule {
  /** Name of the kind of subject: `users`. */
  readonly subject: string;
  /** Endpoint of the service that owns the subject: it removes it, and tells the others to. */
  readonly request: Endpoint;
  readonly data: readonly SubjectData[];
  /** Events that hold personal data, keyed by the subject's key, each with its source. */
  readonly events: readonly { readonly source: string; readonly type: string }[];
}

const dataEntry = z.strictObject({
  table: tableText.meta({
    description: 'A table that holds personal data: source.table, source.schema.table.',
    examples: ['orders.orders'],
  }),
  reference: z.string().meta({
    description: "Its column that holds the subject's key. Columns are called as in the warehouse.",
    examples: ['user_id'],
  }),
  columns: z
    .array(z.string())
    .min(1, 'must name a column')
    .optional()
    .meta({
      description:
        'Columns that are personal, which the service leaves NULL or empty. Without it the whole ' +
        'row is: the service deletes it.',
      examples: [['user_name', 'user_email']],
    }),
});

/** A kind of subject as it is written in the catalog. */
export const eraseEntry = z.strictObject({
  subject: z
    .string()
    .regex(/^[a-z][a-z0-9-]{0,62}$/, 'must be lower-case letters, digits and hyphens')
    .meta({ description: 'What `tributary erase` calls it.', examples: ['users'] }),
  request: endpointEntry({
    description: "Where to POST; {key} stands for the subject's key.",
    example: '${USERS_URL}/users/{key}/erase',
  }).meta({
    description:
      'Endpoint of the service that owns the subject. It removes what it holds and tells the ' +
      'others, which remove what they copied. Asking twice does no harm.',
    examples: [{ url: '${USERS_URL}/users/{key}/erase' }],
  }),
  data: z
    .array(dataEntry)
    .min(1, 'must name a table')
    .meta({ description: 'The tables that hold personal data of the subject.' }),
  events: z
    .array(z.string().regex(/^[^.\s]+\.[^.\s]+$/, 'must be source.EventType'))
    .optional()
    .meta({
      description:
        'Events of outboxes that hold personal data, source.EventType; their key must be that of ' +
        'the subject. Their topics keep the newest event of each key, so that one can be taken out.',
      examples: [['users.UserRegistered']],
    }),
});

/** What an entry of the right shape says of tables and events. */
export function eraseData(
  written: z.output<typeof eraseEntry>,
): Pick<EraseRule, 'subject' | 'data' | 'events'> {
  return {
    subject: written.subject,
    data: written.data.map(({ table, reference, columns }) => ({
      table: capturedTable(table),
      reference,
      columns,
    })),
    events: (written.events ?? []).map((name) => {
      const [source = '', type = ''] = name.split('.');
      return { source, type };
    }),
  };
}
