/** What the topics of domain events begin with; no source can have this name. */
export const EVENT_TOPIC_PREFIX = 'events';

/** Topic of one type of domain event of a service. */
export function eventTopic(service: string, type: string): string {
  return `${EVENT_TOPIC_PREFIX}.${service}.${type}`;
}

/** Settings of topics that keep the newest event of each key alone. */
export const ERASABLE_TOPIC_SETTINGS = {
  'cleanup.policy': 'compact',
  // What has been overtaken is gone within a day, also where little happens.
  'max.compaction.lag.ms': '86400000',
} as const;
