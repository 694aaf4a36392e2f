import type { Queryable } from '#runtime/service/database.ts';
import type { SagaKind } from './saga.ts';

/** Begins a saga. Whoever began it is expected to take it up within a second. */
export async function startSaga(
  transaction: Queryable,
  saga: {
    readonly orderId: string;
    readonly kind: SagaKind;
    readonly input?: Readonly<Record<string, unknown>>;
    /** In seconds from now; without one it goes on for ever. */
    readonly deadlineSeconds?: number;
  },
): Promise<void> {
  await transaction.query(
    `INSERT INTO sagas (order_id, kind, input, deadline, due_at)
     VALUES ($1, $2, $3, now() + $4 * interval '1 second', now() + interval '1 second')`,
    [saga.orderId, saga.kind, JSON.stringify(saga.input ?? {}), saga.deadlineSeconds ?? null],
  );
}

/**
 * Turns the placing of an order back, whether it is under way or done. Does nothing to one that is
 * turned back already.
 */
export async function turnBack(
  transaction: Queryable,
  orderId: string,
  reason: string,
): Promise<void> {
  await transaction.query(
    `UPDATE sagas SET state = 'compensating', reason = $2, ended_at = NULL, attempts = 0,
       due_at = now(), updated_at = now()
     WHERE order_id = $1 AND kind = 'place-order' AND state IN ('running', 'completed')`,
    [orderId, reason],
  );
}
