import type { Logger } from '#runtime/log.ts';
import { waitUntilConsumed } from '../source/group-progress.ts';
import { createKafka } from '../source/kafka-client.ts';
import type { EventBroker, Subscription } from './consume-events.ts';

/** After this long topics are listed anew: some may have been added since. */
const DEADLINE_MS = 600_000;

/**
 * Waits until a group has applied everything that the topics hold at the time of the call.
 *
 * @throws TributaryError `BROKER_UNAVAILABLE`; the abort reason
 */
export async function waitUntilApplied(
  broker: EventBroker,
  groupId: string,
  subscriptions: readonly Subscription[],
  { log, signal }: { log: Logger; signal: AbortSignal },
): Promise<void> {
  const topics = new Set(subscriptions.map(({ topic }) => topic));
  const kafka = createKafka({ clientId: `${groupId}-progress`, brokers: broker.brokers, log });
  for (;;) {
    const behind = await waitUntilConsumed(kafka, groupId, {
      isWanted: (topic) => topics.has(topic),
      deadline: Date.now() + DEADLINE_MS,
      signal,
    });
    if (behind === 0n) return;
  }
}
