import pg from 'pg';
import type { TablePattern } from '../catalog/table-pattern.ts';
import type { Change } from './row-history.ts';

/** A transaction that began longer than this before it committed has its event not found. */
const LONGEST_TRANSACTION = '1 hour';

/**
 * The event that told of a change: the row that its transaction wrote into the outbox.
 *
 * @param client - connected to the owner's source
 * @param aggregateId - of the row, where its key is one column
 * @returns id and type, of each when there are several; undefined when the outbox has none, not any more, or may not be read
 */
export async function publishedEvent(
  client: pg.Client,
  outbox: TablePattern,
  aggregateId: string,
  change: Pick<Change, 'at' | 'transaction'>,
): Promise<string | undefined> {
  if (change.transaction === 0) return undefined;
  // One table, without wildcards.
  const name = outbox.text
    .split('.')
    .map((part) => pg.escapeIdentifier(part))
    .join('.');
  try {
    const { rows } = await client.query<{ event: string | null }>(
      `SELECT string_agg(concat(id, ' ', type), ', ' ORDER BY type) AS event FROM ${name}
       WHERE created_at BETWEEN to_timestamp($1) - interval '${LONGEST_TRANSACTION}' AND to_timestamp($1) + interval '1 second'
         AND xmin::text::bigint = $2::bigint AND aggregateid::text = $3`,
      [change.at / 1_000, change.transaction, aggregateId],
    );
    return rows[0]?.event ?? undefined;
  } catch (error) {
    // Not to be read, or of another shape: an event is a help, and no more.
    if (error instanceof pg.DatabaseError) return undefined;
    throw error;
  }
}
