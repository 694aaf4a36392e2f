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

/**
 * Gives the current views of a source the comments that its tables and their columns have at the
 * source: who owns the data says what it means. What has none there keeps what it has.
 *
 * @throws what Postgres's client throws; TributaryError `SINK_UNAVAILABLE`, `SINK_REFUSED`
 */
export async function carryComments(
  database: pg.Client,
  client: ClickHouseClient,
  source: { readonly name: string; readonly publication: string },
): Promise<void> {
  const { rows } = await database.query<TableComments>(COMMENTS, [source.publication]);
  try {
    const select = async <T>(query: string): Promise<T[]> => {
      const query_params = { source: source.name };
      return (await client.query({ query, query_params, format: 'JSONEachRow' })).json<T>();
    };
    const [views, columns, published] = await Promise.all([
      select<{ name: string; comment: string }>(
        `SELECT name, comment FROM system.tables WHERE database = {source:String} AND engine = 'View'`,
      ),
      select<{ table: string; name: string; comment: string }>(
        'SELECT table, name, comment FROM system.columns WHERE database = {source:String}',
      ),
      select<{ table_schema: string; table_name: string; number: number; published: string }>(
        `SELECT table_schema, table_name, number, published FROM ops.source_columns FINAL
         WHERE source = {source:String} AND is_gone = 0`,
      ),
    ]);
    const known = new Map(columns.map(({ table, name, comment }) => [`${table} ${name}`, comment]));
    const names = new Map(
      published.map((column) => [
        `${column.table_schema} ${column.table_name} ${column.number}`,
        column.published,
      ]),
    );
    for (const { schema, table, comment, columns: own } of rows) {
      const relation = relationName(schema, table);
      const view = views.find(({ name }) => name === relation);
      if (view === undefined) continue;
      const changes = own.flatMap(({ number, name: there, comment: text }) => {
        const name = names.get(`${schema} ${table} ${number}`) ?? there;
        const now = known.get(`${relation} ${name}`);
        return now === undefined || now === text
          ? []
          : [`COMMENT COLUMN ${quoteName(name)} ${quoteText(text)}`];
      });
      if (comment !== null && comment !== view.comment) {
        changes.push(`MODIFY COMMENT ${quoteText(comment)}`);
      }
      if (changes.length === 0) continue;
      await client.command({
        query: `ALTER TABLE ${quoteName(source.name)}.${quoteName(relation)} ${changes.join(', ')}`,
      });
    }
  } catch (error) {
    throw sinkError(error, `carrying the comments of ${source.name} over`);
  }
}
