import type { Source } from '../catalog/catalog.ts';
import { mayBeTopicOf } from './table-topic.ts';

/** Whether a topic may be that of a table with masked columns; of some names it cannot be told. */
export function mayHoldMasked(sources: readonly Source[], topic: string): boolean {
  return sources.some(({ name, masks }) =>
    masks.some(({ pattern, how }) => how !== 'keep' && mayBeTopicOf(topic, name, pattern.table)),
  );
}
