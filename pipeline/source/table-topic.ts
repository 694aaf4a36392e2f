/** Largest record, in bytes, that topics and producers take: one row, old and new image together. */
export const MAX_RECORD_BYTES = 16 * 1024 * 1024;

/** Settings of the topics of tables. */
export const TABLE_TOPIC_SETTINGS = {
  'cleanup.policy': 'delete',
  'retention.ms': '604800000',
  'max.message.bytes': String(MAX_RECORD_BYTES),
} as const;

/** Topic of a table, in which Debezium replaces what Kafka does not allow. */
export function tableTopic(source: string, schema: string, table: string): string {
  return `${source}.${schema}.${table}`.replace(/[^a-zA-Z0-9._-]/g, '_');
}

/**
 * Whether a topic carries the changes of a table of one of these sources: its name is
 * `<source>.<schema>.<table>`. Debezium's heartbeat topics begin otherwise.
 */
export function isTableTopic(topic: string, sources: ReadonlySet<string>): boolean {
  const [source, ...rest] = topic.split('.');
  return rest.length >= 2 && sources.has(source ?? '');
}
