import { z } from 'zod';
/** States of sagas, in the order of a bad day. */
export const SAGA_STATES = [
  'running',
  'compensating',
  'completed',
  'compensated',
  'stuck',
] as const;

/** Where a saga is. */
export type SagaState = (typeof SAGA_STATES)[number];

/** Kinds of sagas. */
export const SAGA_KINDS = ['place-order', 'ship-order'] as const;
/** Kind of a saga. */
export type SagaKind = (typeof SAGA_KINDS)[number];

/** A row of `saga_steps`: a step that was begun, forward or back. */
export const sagaStepRowShape = z.object({
  step: z.string(),
  direction: z.enum(['do', 'undo']),
  /** `started` also says: nobody knows what became of it. */
  state: z.enum(['started', 'done', 'refused']),
  attempts: z.int(),
  detail: z.record(z.string(), z.unknown()).nullable(),
  started_at: z.iso.datetime(),
  ended_at: z.iso.datetime().nullable(),
});
/** See {@link sagaStepRowShape}. */
export type SagaStepRow = z.output<typeof sagaStepRowShape>;

/** A row of `sagas`. */
export const sagaRowShape = z.object({
  id: z.string(),
  order_id: z.string(),
  kind: z.enum(SAGA_KINDS),
  state: z.enum(SAGA_STATES),
  reason: z.string().nullable(),
  input: z.record(z.string(), z.unknown()),
  deadline: z.string().nullable(),
  attempts: z.int(),
  due_at: z.iso.datetime(),
  created_at: z.iso.datetime(),
  updated_at: z.iso.datetime(),
  ended_at: z.iso.datetime().nullable(),
});
/** See {@link sagaRowShape}. */
export type SagaRow = z.output<typeof sagaRowShape>;

/** A saga with its timeline. */
export const sagaShape = sagaRowShape.extend({ steps: z.array(sagaStepRowShape) });
/** See {@link sagaShape}. */
export type Saga = z.output<typeof sagaShape>;

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
