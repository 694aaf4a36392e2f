/** What the topics of domain events begin with; no source can have this name. */
export const EVENT_TOPIC_PREFIX = 'events';

/** Topic of one type of domain event of a service. */
export function eventTopic(service: string, type: string): string {
  return `${EVENT_TOPIC_PREFIX}.${service}.${type}`;
}
