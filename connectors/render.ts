import type { Source } from '../pipeline/catalog/catalog.ts';
import {
  columnExcludeList,
  tableIncludeList,
  tableTopicRegex,
} from '../pipeline/catalog/table-pattern.ts';
import type { TablePattern } from '../pipeline/catalog/table-pattern.ts';
import { UNAVAILABLE } from '../pipeline/change/row-image.ts';
import {
  ERASABLE_TOPIC_SETTINGS,
  EVENT_TOPIC_PREFIX,
  eventTopic,
} from '../pipeline/events/event-topic.ts';
import { MAX_RECORD_BYTES, TABLE_TOPIC_SETTINGS } from '../pipeline/source/table-topic.ts';
import { captureNames, type ConnectorConfig } from './connector-config.ts';

/**
 * Largest value, in bytes, that is sent. Leaves room beside it for key, headers and the batch
 * around them: a key fits an index page of Postgres, 8 kB.
 */
const MAX_VALUE_BYTES = MAX_RECORD_BYTES - 64 * 1024;

/**
 * The connector that captures a source. README.md gives the reason for each setting.
 *
 * Holds no secret: the worker reads them through its `file` config provider.
 */
export function renderConnector(source: Source): ConnectorConfig {
  const names = captureNames(source.name);
  const secret = (key: string) => `\${file:${names.secretsFile}:${key}}`;
  const { sslMode } = source.address;
  const dropped = columnExcludeList(source.masks);
  const keys = [...source.keys].map(
    ([table, columns]) => `${table.replace('.', String.raw`\.`)}:${columns.join(',')}`,
  );
  return {
    name: names.connector,
    config: {
      'connector.class': 'io.tributary.connect.PostgresSource',
      'tasks.max': '1',

      'database.hostname': secret('host'),
      'database.port': secret('port'),
      'database.user': secret('user'),
      'database.password': secret('password'),
      'database.dbname': secret('dbname'),
      ...(sslMode === undefined ? {} : { 'database.sslmode': sslMode }),

      'topic.prefix': source.name,
      'table.include.list': tableIncludeList(source),
      ...(dropped === '' ? {} : { 'column.exclude.list': dropped }),
      ...(keys.length === 0 ? {} : { 'message.key.columns': keys.join(';') }),
      'plugin.name': 'pgoutput',
      'publication.name': names.publication,
      'publication.autocreate.mode': 'disabled',
      'slot.name': names.slot,
      'slot.drop.on.stop': 'false',
      'slot.max.retries': '60',
      'slot.retry.delay.ms': '1000',

      'snapshot.mode': 'initial',
      'snapshot.isolation.mode': 'repeatable_read',
      'snapshot.fetch.size': '2000',
      'snapshot.query.mode': 'custom',
      'snapshot.query.mode.custom.name': 'tributary_exact',

      converters: 'exact',
      'exact.type': 'io.tributary.connect.ExactConverter',
      'exact.placeholder': UNAVAILABLE,

      'skipped.operations': 'none',
      'tombstones.on.delete': 'true',
      'decimal.handling.mode': 'string',
      'time.precision.mode': 'adaptive',
      'interval.handling.mode': 'string',
      'hstore.handling.mode': 'json',
      'binary.handling.mode': 'bytes',
      'include.unknown.datatypes': 'true',
      'unavailable.value.placeholder': UNAVAILABLE,
      'event.converting.failure.handling.mode': 'fail',
      'column.propagate.source.type': '.*',
      'schema.name.adjustment.mode': 'avro',
      'field.name.adjustment.mode': 'avro',
      'extended.headers.enabled': 'false',

      'heartbeat.interval.ms': '2000',
      'heartbeat.action.query': "SELECT pg_logical_emit_message(true, 'tributary', '')",
      'message.prefix.exclude.list': '.*',
      'retriable.restart.connector.wait.ms': '2000',
      'errors.max.retries': '-1',

      'poll.interval.ms': '3',
      'max.queue.size.in.bytes': '67108864',

      'exactly.once.support': 'required',
      'transaction.boundary': 'poll',
      'errors.tolerance': 'none',
      'errors.retry.timeout': '-1',
      'errors.retry.delay.max.ms': '2000',
      'producer.override.compression.type': 'none',
      'producer.override.max.request.size': String(MAX_RECORD_BYTES),

      'topic.creation.default.partitions': '-1',
      'topic.creation.default.replication.factor': '-1',
      ...Object.fromEntries(
        Object.entries(TABLE_TOPIC_SETTINGS).map(([name, value]) => [
          `topic.creation.default.${name}`,
          value,
        ]),
      ),

      ...(source.outbox === undefined ? {} : outboxRouter(source, source.outbox)),

      ...converter('key'),
      ...converter('value'),
      'value.converter.tributary.max.bytes': String(MAX_VALUE_BYTES),
    },
  };
}

/** Publishes the rows of an outbox as events, keyed by what they happened to. */
function outboxRouter(source: Source, outbox: TablePattern): Record<string, string> {
  return {
    transforms: 'outbox',
    'transforms.outbox.type': 'io.debezium.transforms.outbox.EventRouter',
    'transforms.outbox.predicate': 'isOutbox',
    'transforms.outbox.route.by.field': 'type',
    'transforms.outbox.route.topic.replacement': `${EVENT_TOPIC_PREFIX}.${source.name}.\${routedByValue}`,
    'transforms.outbox.table.fields.additional.placement': [
      'id:envelope:event_id',
      'type:envelope:event_type',
      'aggregatetype:envelope:aggregate_type',
      'aggregateid:envelope:aggregate_id',
      'created_at:envelope:occurred_at',
    ].join(','),
    predicates: 'isOutbox',
    'predicates.isOutbox.type': 'org.apache.kafka.connect.transforms.predicates.TopicNameMatches',
    'predicates.isOutbox.pattern': tableTopicRegex(source.name, outbox),
    // The first group that a topic belongs to is the one that counts.
    'topic.creation.groups': source.erasableEvents.length === 0 ? 'events' : 'erasable,events',
    ...(source.erasableEvents.length === 0 ? {} : erasableTopics(source)),
    'topic.creation.events.include': String.raw`${EVENT_TOPIC_PREFIX}\..*`,
    'topic.creation.events.partitions': '-1',
    'topic.creation.events.replication.factor': '-1',
    // Kept for ever: read models are rebuilt from them.
    'topic.creation.events.cleanup.policy': 'delete',
    'topic.creation.events.retention.ms': '-1',
  };
}

/** Topics that keep the newest event of each key, so that a tombstone takes one out. */
function erasableTopics({ name, erasableEvents }: Source): Record<string, string> {
  const group = 'topic.creation.erasable';
  return {
    [`${group}.include`]: erasableEvents
      .map((type) => eventTopic(name, type).replaceAll('.', String.raw`\.`))
      .join(','),
    [`${group}.partitions`]: '-1',
    [`${group}.replication.factor`]: '-1',
    ...Object.fromEntries(
      Object.entries(ERASABLE_TOPIC_SETTINGS).map(([key, value]) => [`${group}.${key}`, value]),
    ),
  };
}

/** Avro in the Confluent wire format, with ids the Confluent-compatible registry API resolves. */
function converter(side: 'key' | 'value'): Record<string, string> {
  const registry = `${side}.converter.apicurio.registry`;
  return {
    [`${side}.converter`]: 'io.tributary.connect.NullKeepingAvroConverter',
    [`${registry}.url`]: '${file:secrets/registry.properties:url}',
    [`${registry}.auto-register`]: 'true',
    [`${registry}.find-latest`]: 'true',
    [`${registry}.as-confluent`]: 'true',
    [`${registry}.headers.enabled`]: 'false',
    [`${registry}.use-id`]: 'contentId',
  };
}
