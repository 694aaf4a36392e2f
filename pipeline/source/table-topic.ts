import type { TablePattern } from '../catalog/table-pattern.ts';

/** Largest record, in bytes, that topics and producers take: one row, old and new image together. */
export const MAX_RECORD_BYTES = 16 * 1024 * 1024;

/** Settings of the topics of tables. */
export const TABLE_TOPIC_SETTINGS = {
  'cleanup.policy': 'delete',
  'retention.ms': '604800000',
  'max.message.bytes': String(MAX_RECORD_BYTES),
} as const;

const NOT_IN_TOPICS = /[^a-zA-Z0-9._-]/g;

/** Topic of a table, in which Debezium replaces what Kafka does not allow. */
export function tableTopic(source: string, schema: string, table: string): string {
  return `${source}.${schema}.${table}`.replace(NOT_IN_TOPICS, '_');
}

/**
 * Whether a topic carries the changes of a table of one of these sources: its name is
 * `<source>.<schema>.<table>`. Debezium's heartbeat topics begin otherwise.
 */
export function isTableTopic(topic: string, sources: ReadonlySet<string>): boolean {
  const [source, ...rest] = topic.split('.');
  return rest.length >= 2 && sources.has(source ?? '');
}

/** Whether a topic may be that of a table that a pattern means; of some names it cannot be told. */
export function mayBeTopicOf(
  topic: string,
  source: string,
  { schema, table }: TablePattern,
): boolean {
  const expression = [schema, table].map((pieces) =>
    pieces
      .map((piece) =>
        piece === '*'
          ? '.*'
          : piece === '?'
            ? '.{1,2}'
            : escape(piece.text.replace(NOT_IN_TOPICS, '_')),
      )
      .join(''),
  );
  return new RegExp(String.raw`^${source}\.${expression.join(String.raw`\.`)}$`).test(topic);
}

function escape(text: string): string {
  return text.replaceAll('.', String.raw`\.`);
}
