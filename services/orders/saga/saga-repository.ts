import type { Database, Queryable } from '#runtime/service/database.ts';
import { notFound, Problem } from '#runtime/service/problem.ts';
import type { SagaDefinition, StepOutcome } from './order-sagas.ts';
import {
  decide,
  type Decision,
  type SagaKind,
  type Saga,
  type SagaRow,
  type SagaState,
  type SagaStepRow,
} from './saga.ts';

const SAGA = `id, order_id, kind, state, reason, input, deadline, attempts, due_at, created_at,
  updated_at, ended_at`;
const STEP = 'step, direction, state, attempts, detail, started_at, ended_at';

/** A saga that somebody may work on until the lease ends. */
export interface Claim {
  readonly id: string;
  /** Who has it; what somebody else has since taken over is not written to. */
  readonly lease: string;
}

/** The SQL of sagas. */
export class SagaRepository {
  readonly #database: Database;
  readonly #definitions: Readonly<Record<SagaKind, SagaDefinition>>;

  readonly #leaseSeconds: number;

  /** @param leaseSeconds - how long nobody else works on a saga that somebody has taken */
  constructor(
    database: Database,
    definitions: Readonly<Record<SagaKind, SagaDefinition>>,
    leaseSeconds: number,
  ) {
    this.#database = database;
    this.#definitions = definitions;
    this.#leaseSeconds = leaseSeconds;
  }

  /**
   * Notes how the step at hand ended and what comes next, in one transaction: what is about to be
   * done is written before it is done.
   *
   * @param ended - undefined when nothing was at hand
   * @returns what to do now, or undefined when the saga has ended or somebody else has it
   */
  async advance(
    claim: Claim,
    ended?: {
      readonly step: string;
      readonly direction: 'do' | 'undo';
      readonly outcome: StepOutcome;
    },
  ): Promise<{ saga: SagaRow; next: Exclude<Decision, string> } | undefined> {
    return this.#database.transaction(async (transaction) => {
      const saga = await lockClaimed(transaction, claim);
      if (saga === undefined || saga.state === 'stuck' || saga.ended_at !== null) return undefined;
      if (ended !== undefined) await noteEnd(transaction, saga.id, ended);
      const { state, reason } = turnOf(saga, ended?.outcome);
      const rows = await stepsOf(transaction, saga.id);
      const definition = this.#definitions[saga.kind];
      const next = decide(
        definition.steps.map(({ name }) => name),
        state,
        rows,
      );
      const now = { ...saga, state, reason };
      if (typeof next === 'string') {
        if (next === 'completed') await definition.complete(transaction, now, rows);
        else await definition.giveUp(transaction, now);
        await transaction.query(
          `UPDATE sagas SET state = $2::saga_state, reason = $3, attempts = 0, lease = NULL,
             leased_until = NULL, ended_at = now(), updated_at = now() WHERE id = $1`,
          [saga.id, next, reason],
        );
        return undefined;
      }
      await transaction.query(
        `UPDATE sagas SET state = $2::saga_state, reason = $3, leased_until = now() + $5 * interval '1 second',
           attempts = CASE WHEN $4 THEN 0 ELSE attempts END, updated_at = now() WHERE id = $1`,
        [saga.id, state, reason, ended !== undefined, this.#leaseSeconds],
      );
      await transaction.query(
        `INSERT INTO saga_steps (saga_id, step, direction) VALUES ($1, $2, $3::saga_direction)
         ON CONFLICT (saga_id, step, direction) DO UPDATE SET attempts = saga_steps.attempts + 1`,
        [saga.id, next.step, next.direction],
      );
      return { saga: now, next };
    });
  }

  /** Puts a saga down: to be taken up again after a while, or by a person when it is stuck. */
  async putDown(claim: Claim, how: { retryInMs: number } | { stuck: string }): Promise<void> {
    await this.#database.query(
      `UPDATE sagas SET lease = NULL, leased_until = NULL, attempts = attempts + 1,
         due_at = now() + $3 * interval '1 millisecond',
         state = CASE WHEN $4::text IS NULL THEN state ELSE 'stuck' END,
         reason = coalesce($4, reason), updated_at = now()
       WHERE id = $1 AND lease = $2 AND ended_at IS NULL`,
      [
        claim.id,
        claim.lease,
        'stuck' in how ? 0 : how.retryInMs,
        'stuck' in how ? how.stuck : null,
      ],
    );
  }

  /** Takes sagas that are due and that nobody works on. */
  async claimDue(lease: string, count: number): Promise<Claim[]> {
    const rows = await this.#database.query<{ id: string }>(
      `UPDATE sagas SET lease = $1, leased_until = now() + $3 * interval '1 second'
       WHERE id IN (
         SELECT id FROM sagas
         WHERE state IN ('running', 'compensating') AND due_at <= now()
           AND (leased_until IS NULL OR leased_until < now())
         ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED)
       RETURNING id`,
      [lease, count, this.#leaseSeconds],
    );
    return rows.map(({ id }) => ({ id, lease }));
  }

  /** Takes one saga of an order, if it is due and nobody works on it. */
  async claimOf(orderId: string, kind: SagaKind, lease: string): Promise<Claim | undefined> {
    const [row] = await this.#database.query<{ id: string }>(
      `UPDATE sagas SET lease = $3, leased_until = now() + $4 * interval '1 second'
       WHERE order_id = $1 AND kind = $2 AND state IN ('running', 'compensating')
         AND (leased_until IS NULL OR leased_until < now()) RETURNING id`,
      [orderId, kind, lease, this.#leaseSeconds],
    );
    return row === undefined ? undefined : { id: row.id, lease };
  }

  /** The saga, or undefined. */
  async find(id: string): Promise<Saga | undefined> {
    const [row] = await this.#database.query<SagaRow>(`SELECT ${SAGA} FROM sagas WHERE id = $1`, [
      id,
    ]);
    return row === undefined ? undefined : { ...row, steps: await stepsOf(this.#database, id) };
  }

  /**
   * Up to `count` sagas, newest first, older than the given place.
   *
   * @param filter - `overdue` are those past their deadline that have not ended, stuck ones among them
   */
  async list(
    filter: { state: SagaState | undefined; orderId: string | undefined; overdue: boolean },
    createdAt: string | null,
    id: string | null,
    count: number,
  ): Promise<SagaRow[]> {
    return this.#database.query<SagaRow>(
      `SELECT ${SAGA} FROM sagas
       WHERE ($1::timestamptz IS NULL OR (created_at, id) < ($1, $2::uuid))
         AND ($3::saga_state IS NULL OR state = $3) AND ($4::uuid IS NULL OR order_id = $4)
         AND (NOT $5 OR state = 'stuck' OR (ended_at IS NULL AND deadline < now()))
       ORDER BY created_at DESC, id DESC LIMIT $6`,
      [createdAt, id, filter.state ?? null, filter.orderId ?? null, filter.overdue, count],
    );
  }

  /**
   * An operator's word on a saga that has not ended: go on (`retry`), or back (`compensate`).
   *
   * @throws Problem `not-found`, or `conflict` when it has ended
   */
  async order(id: string, what: 'retry' | 'compensate'): Promise<Saga> {
    return this.#database.transaction(async (transaction) => {
      const [saga] = await transaction.query<SagaRow>(
        `SELECT ${SAGA} FROM sagas WHERE id = $1 FOR UPDATE`,
        [id],
      );
      if (saga === undefined) throw notFound('saga');
      if (saga.ended_at !== null) {
        throw new Problem('conflict', `A saga that is ${saga.state} stays so.`);
      }
      const steps = await stepsOf(transaction, id);
      const back = what === 'compensate' || steps.some(({ direction }) => direction === 'undo');
      const [row] = await transaction.query<SagaRow>(
        `UPDATE sagas SET state = $2::saga_state, due_at = now(), attempts = 0, updated_at = now(),
           reason = CASE WHEN $2 = 'compensating' THEN coalesce(reason, 'an operator gave it up') END
         WHERE id = $1 RETURNING ${SAGA}`,
        [id, back || saga.state === 'compensating' ? 'compensating' : 'running'],
      );
      if (row === undefined) throw new Error('UPDATE of a locked row returned none');
      return { ...row, steps };
    });
  }
}

async function lockClaimed(transaction: Queryable, claim: Claim): Promise<SagaRow | undefined> {
  const [row] = await transaction.query<SagaRow>(
    `SELECT ${SAGA} FROM sagas WHERE id = $1 AND lease = $2 FOR UPDATE`,
    [claim.id, claim.lease],
  );
  return row;
}

async function stepsOf(on: Queryable, sagaId: string): Promise<SagaStepRow[]> {
  return on.query<SagaStepRow>(
    `SELECT ${STEP} FROM saga_steps WHERE saga_id = $1 ORDER BY started_at`,
    [sagaId],
  );
}

async function noteEnd(
  transaction: Queryable,
  sagaId: string,
  { step, direction, outcome }: { step: string; direction: 'do' | 'undo'; outcome: StepOutcome },
): Promise<void> {
  await transaction.query(
    `UPDATE saga_steps SET state = $4::saga_step_state, detail = $5, ended_at = clock_timestamp()
     WHERE saga_id = $1 AND step = $2 AND direction = $3::saga_direction`,
    [
      sagaId,
      step,
      direction,
      outcome.state,
      outcome.detail === undefined ? null : JSON.stringify(outcome.detail),
    ],
  );
}

/** Whether it goes on or back: a refusal and the deadline turn it. */
function turnOf(
  saga: SagaRow,
  outcome: StepOutcome | undefined,
): { state: 'running' | 'compensating'; reason: string | null } {
  if (saga.state !== 'running') return { state: 'compensating', reason: saga.reason };
  if (outcome?.state === 'refused') return { state: 'compensating', reason: outcome.reason };
  const late = saga.deadline !== null && Date.parse(saga.deadline) < Date.now();
  // A step that was done in time, though it was the last, counts.
  if (late && outcome === undefined) {
    return { state: 'compensating', reason: 'it took too long' };
  }
  return { state: 'running', reason: saga.reason };
}
