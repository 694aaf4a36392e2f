import { z } from 'zod';
import { describeError, TributaryError } from '#runtime/errors.ts';

/** A domain event as its readers get it. */
export interface DomainEvent<Payload = unknown> {
  /** The same at every delivery of the same event. */
  readonly id: string;
  readonly type: string;
  /** What it happened to. */
  readonly aggregateId: string;
  /** Begin of the transaction that made the change; RFC 3339, UTC. */
  readonly occurredAt: string;
  readonly payload: Payload;
}

/** What the outbox event router makes of a row. */
const envelope = z.object({
  event_id: z.string(),
  event_type: z.string(),
  aggregate_id: z.string(),
  occurred_at: z.string(),
  payload: z.string(),
});

/**
 * Understands a decoded record of an event topic.
 *
 * @throws TributaryError `RECORD_MALFORMED` when it is not an event of that shape; the message holds
 * names of fields and no values
 */
export function parseEvent<Payload>(
  record: unknown,
  payloadShape: z.ZodType<Payload>,
): DomainEvent<Payload> {
  const outer = envelope.safeParse(record);
  if (!outer.success) throw malformed('the envelope', outer.error);
  let json: unknown;
  try {
    json = JSON.parse(outer.data.payload);
  } catch (cause) {
    throw new TributaryError('RECORD_MALFORMED', 'the payload of an event is not JSON', { cause });
  }
  const payload = payloadShape.safeParse(json);
  if (!payload.success) throw malformed('the payload', payload.error);
  return {
    id: outer.data.event_id,
    type: outer.data.event_type,
    aggregateId: outer.data.aggregate_id,
    occurredAt: outer.data.occurred_at,
    payload: payload.data,
  };
}

function malformed(what: string, error: z.ZodError): TributaryError {
  const fields = error.issues.map(({ path, code }) => `${path.map(String).join('.')} (${code})`);
  return new TributaryError(
    'RECORD_MALFORMED',
    `${what} of an event is not as it should be: ${fields.join(', ')}`,
    { context: { reason: describeError(error.name) } },
  );
}
