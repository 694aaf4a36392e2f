/** Where a saga is. */
export type SagaState = 'running' | 'compensating' | 'completed' | 'compensated' | 'stuck';

/** States of sagas, in the order of a bad day. */
export const SAGA_STATES = [
  'running',
  'compensating',
  'completed',
  'compensated',
  'stuck',
] as const satisfies readonly SagaState[];

/** Kinds of sagas. */
export type SagaKind = 'place-order' | 'ship-order';

/** A row of `saga_steps`: a step that was begun, forward or back. */
export interface SagaStepRow {
  readonly step: string;
  readonly direction: 'do' | 'undo';
  /** `started` also says: nobody knows what became of it. */
  readonly state: 'started' | 'done' | 'refused';
  readonly attempts: number;
  readonly detail: Readonly<Record<string, unknown>> | null;
  readonly started_at: string;
  readonly ended_at: string | null;
}

/** A row of `sagas`. */
export interface SagaRow {
  readonly id: string;
  readonly order_id: string;
  readonly kind: SagaKind;
  readonly state: SagaState;
  readonly reason: string | null;
  readonly input: Readonly<Record<string, unknown>>;
  readonly deadline: string | null;
  readonly attempts: number;
  readonly due_at: string;
  readonly created_at: string;
  readonly updated_at: string;
  readonly ended_at: string | null;
}

/** What comes next. */
export type Decision =
  { readonly step: string; readonly direction: 'do' | 'undo' } | 'completed' | 'compensated';

/**
 * What a saga has to do next. Pure: the whole of it is in the rows.
 *
 * Forward it does its steps one after the other. Back it undoes, last first, every step that was
 * begun, also one of which nobody knows whether it happened; one that was refused did not.
 *
 * @param steps - names, in their order
 */
export function decide(
  steps: readonly string[],
  state: 'running' | 'compensating',
  rows: readonly SagaStepRow[],
): Decision {
  const find = (step: string, direction: 'do' | 'undo') =>
    rows.find((row) => row.step === step && row.direction === direction);
  if (state === 'running') {
    const next = steps.find((step) => find(step, 'do')?.state !== 'done');
    return next === undefined ? 'completed' : { step: next, direction: 'do' };
  }
  const last = steps.findLast((step) => {
    const done = find(step, 'do');
    return done !== undefined && done.state !== 'refused' && find(step, 'undo')?.state !== 'done';
  });
  return last === undefined ? 'compensated' : { step: last, direction: 'undo' };
}
