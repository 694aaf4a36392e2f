import type { Database, Queryable } from '#runtime/service/database.ts';
import type { DomainEvent } from './domain-event.ts';

/**
 * Applies an event in one transaction with the note that it was: whatever is delivered again later
 * changes nothing.
 *
 * @param inbox - table that remembers the events
 * @returns whether it was new
 */
export async function applyOnce(
  database: Database,
  inbox: string,
  event: DomainEvent,
  apply: (transaction: Queryable) => Promise<void>,
): Promise<boolean> {
  return database.transaction(async (transaction) => {
    const noted = await transaction.query(
      `INSERT INTO ${inbox} (event_id, type) VALUES ($1, $2)
       ON CONFLICT (event_id) DO NOTHING RETURNING event_id`,
      [event.id, event.type],
    );
    if (noted.length === 0) return false;
    await apply(transaction);
    return true;
  });
}
