import type { ClickHouseClient } from '@clickhouse/client';
import type pg from 'pg';
import { sinkError } from '../sink/clickhouse-error.ts';
import { quoteName, quoteText } from '../sink/identifier.ts';
import { relationName } from '../transform/table-plan.ts';

/** What Postgres's catalog says that a table and its columns mean. */
interface TableComments {
  readonly schema: string;
  readonly table: string;
  /** Null without one. */
  readonly comment: string | null;
  /** Those that have one, by their number, which a rename keeps. */
  readonly columns: readonly { number: number; name: string; comment: string }[];
}

const COMMENTS = `
  SELECT n.nspname AS schema, c.relname AS table, obj_description(c.oid, 'pg_class') AS comment,
         coalesce((SELECT json_agg(json_build_object(
             'number', a.attnum, 'name', a.attname, 'comment', col_description(c.oid, a.attnum)) ORDER BY a.attnum)
           FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
             AND col_description(c.oid, a.attnum) IS NOT NULL), '[]') AS columns
  FROM pg_publication p JOIN pg_publication_rel r ON r.prpubid = p.oid
  JOIN pg_class c ON c.oid = r.prrelid JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE p.pubname = $1`;

/** What the current views of all sources say, and as what their columns are published. */
export interface ViewComments {
  /** By source and view. */
  readonly views: ReadonlyMap<string, string>;
  /** By source, view and column. */
  readonly columns: ReadonlyMap<string, string>;
  /** By source, schema, table and the column's number. */
  readonly published: ReadonlyMap<string, string>;
}

/**
 * Reads what the views of these sources say, of all in one go: with a thousand databases each question
 * keeps the warehouse busy as long as several inserts, for whichever of them it is.
 *
 * @throws TributaryError `SINK_UNAVAILABLE`, `SINK_REFUSED`
 */
export async function readViewComments(
  client: ClickHouseClient,
  sources: readonly string[],
): Promise<ViewComments> {
  const select = async (query: string): Promise<Map<string, string>> => {
    const query_params = { sources };
    const result = await client.query({ query, query_params, format: 'JSONCompactEachRow' });
    const rows = await result.json<[...place: string[], text: string]>();
    return new Map(rows.map((row) => [placeOf(...row.slice(0, -1)), row.at(-1) ?? '']));
  };
  try {
    const [views, columns, published] = await Promise.all([
      select(
        `SELECT database, name, comment FROM system.tables
         WHERE database IN {sources:Array(String)} AND engine = 'View'`,
      ),
      select(
        `SELECT database, table, name, comment FROM system.columns
         WHERE database IN {sources:Array(String)}`,
      ),
      select(
        `SELECT source, table_schema, table_name, toString(number), published
         FROM ops.source_columns FINAL WHERE source IN {sources:Array(String)} AND is_gone = 0`,
      ),
    ]);
    return { views, columns, published };
  } catch (error) {
    throw sinkError(error, 'reading what views say');
  }
}

/**
 * Gives the current views of a source the comments that its tables and their columns have at the
 * source: who owns the data says what it means. What has none there keeps what it has.
 *
 * @param readViews - asked only when something has a comment
 * @throws what Postgres's client throws; TributaryError `SINK_UNAVAILABLE`, `SINK_REFUSED`
 */
export async function carryComments(
  database: pg.Client,
  client: ClickHouseClient,
  source: { readonly name: string; readonly publication: string },
  readViews: () => Promise<ViewComments>,
): Promise<void> {
  const { rows } = await database.query<TableComments>(COMMENTS, [source.publication]);
  const said = rows.filter(({ comment, columns }) => comment !== null || columns.length > 0);
  if (said.length === 0) return;
  const { views, columns, published } = await readViews();
  for (const { schema, table, comment, columns: own } of said) {
    const relation = relationName(schema, table);
    const view = views.get(placeOf(source.name, relation));
    if (view === undefined) continue;
    const changes = own.flatMap(({ number, name: there, comment: text }) => {
      const name = published.get(placeOf(source.name, schema, table, String(number))) ?? there;
      const now = columns.get(placeOf(source.name, relation, name));
      return now === undefined || now === text
        ? []
        : [`COMMENT COLUMN ${quoteName(name)} ${quoteText(text)}`];
    });
    if (comment !== null && comment !== view) changes.push(`MODIFY COMMENT ${quoteText(comment)}`);
    if (changes.length === 0) continue;
    try {
      await client.command({
        query: `ALTER TABLE ${quoteName(source.name)}.${quoteName(relation)} ${changes.join(', ')}`,
      });
    } catch (error) {
      throw sinkError(error, `carrying the comments of ${source.name} over`);
    }
  }
}

function placeOf(...names: string[]): string {
  return JSON.stringify(names);
}
