import type { z } from 'zod';

/** One type of domain event, as the service that publishes it describes it. */
export interface EventKind<Payload extends z.ZodType = z.ZodType> {
  /** In the past tense: `UserNameChanged`. */
  readonly type: string;
  /** What it happened to: `user`. */
  readonly aggregate: string;
  readonly summary: string;
  /** Its content. JSON: numbers beyond 2^53 and amounts are texts. */
  readonly payload: Payload;
}

/** Declares a type of event. */
export function eventKind<Payload extends z.ZodType>(kind: EventKind<Payload>): EventKind<Payload> {
  return kind;
}

/** Something that happened, to be published. */
export interface NewEvent {
  readonly kind: EventKind;
  /** Id of what it happened to. */
  readonly aggregateId: string;
  readonly payload: unknown;
}

/**
 * An event of a kind.
 *
 * @throws ZodError when the payload is not what the kind says: a bug of the caller
 */
export function newEvent<Payload extends z.ZodType>(
  kind: EventKind<Payload>,
  aggregateId: string,
  payload: z.input<Payload>,
): NewEvent {
  return { kind, aggregateId, payload: kind.payload.parse(payload) };
}
