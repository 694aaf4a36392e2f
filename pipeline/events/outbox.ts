import type { Queryable } from '#runtime/service/database.ts';
import type { NewEvent } from './event-kind.ts';

/**
 * Publishes an event in the transaction of the change it tells of: both are committed or neither.
 * Debezium reads the row and sends it to `events.<service>.<type>`, keyed by `aggregateId`, so that
 * events of one type about one thing stay in order. Events of different types do not.
 */
export async function publish(
  transaction: Queryable,
  { kind, aggregateId, payload }: NewEvent,
): Promise<void> {
  await transaction.query(
    `INSERT INTO messaging.outbox (aggregatetype, aggregateid, type, payload)
     VALUES ($1, $2, $3, $4)`,
    [kind.aggregate, aggregateId, kind.type, JSON.stringify(payload)],
  );
}
