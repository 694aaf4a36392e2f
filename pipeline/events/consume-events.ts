import { describeError, dispositionOf, TributaryError } from '#runtime/errors.ts';
import type { Logger } from '#runtime/log.ts';
import { retry, UNTIL_STOPPED } from '#runtime/retry.ts';
import { databaseErrorFields, mayWorkNextTime } from '#runtime/service/database-error.ts';
import type { Database, Queryable } from '#runtime/service/database.ts';
import { parseAvroSchema } from '../avro/avro-schema.ts';
import { createDecoder, type Decode } from '../avro/decoder.ts';
import { createRegistryClient } from '../avro/registry-client.ts';
import { readSchemaId, type SchemaId } from '../avro/wire-format.ts';
import { createKafka } from '../source/kafka-client.ts';
import { createKafkaSource } from '../source/kafka-source.ts';
import type { RawRecord } from '../source/record-source.ts';
import { parseEvent, type DomainEvent } from './domain-event.ts';
import { eventTopic } from './event-topic.ts';
import { applyOnce } from './inbox.ts';
import type { z } from 'zod';

/** What a service does with one type of another service's events. */
export interface Subscription {
  readonly topic: string;
  /** What the reader needs of the payload. */
  readonly payload: z.ZodType;
  apply(event: DomainEvent, transaction: Queryable): Promise<void>;
}

/**
 * Declares what is done with a type of event. `apply` may see events of one thing in any order
 * across types, and late ones after newer ones: it has to leave newer values alone.
 *
 * @param payload - what the reader needs of it; other fields are ignored
 */
export function on<Payload>(
  service: string,
  type: string,
  payload: z.ZodType<Payload>,
  apply: (event: DomainEvent<Payload>, transaction: Queryable) => Promise<void>,
): Subscription {
  return {
    topic: eventTopic(service, type),
    payload,
    apply: async (event, transaction) => apply(event as DomainEvent<Payload>, transaction),
  };
}

/** Where events come from. */
export interface EventBroker {
  readonly brokers: readonly string[];
  /** Registry with the Confluent API. */
  readonly registryUrl: string;
}

/** How a service reads events. */
export interface ConsumeOptions {
  readonly broker: EventBroker;
  readonly groupId: string;
  readonly database: Database;
  /** Schema of the service's tables `inbox` and `rejected_events`. */
  readonly schema: string;
  readonly subscriptions: readonly Subscription[];
  readonly log: Logger;
  readonly signal: AbortSignal;
}

const TOPIC_REFRESH_MS = 1_000;
const COMMIT_INTERVAL_MS = 500;
/** An idle reader asks this often. */
const MAX_WAIT_MS = 1_000;
const MAX_BYTES = 1024 * 1024;

/**
 * Applies the events of the subscribed topics, each once, until `signal` aborts. Topics that are not
 * there yet are waited for. An event that cannot be applied is noted in `rejected_events` with its
 * place and the reason, and the next one follows; broker, registry and database may go and come.
 */
export async function consumeEvents(options: ConsumeOptions): Promise<void> {
  const { broker, groupId, database, schema, log, signal } = options;
  const subscriptions = new Map(options.subscriptions.map((each) => [each.topic, each]));
  const registry = createRegistryClient(broker.registryUrl);
  const decoders = new Map<SchemaId, Decode>();

  const decode = async (value: Buffer): Promise<unknown> => {
    const id = readSchemaId(value);
    let decoder = decoders.get(id);
    if (decoder === undefined) {
      decoder = createDecoder(parseAvroSchema(await registry.schema(id, signal)));
      decoders.set(id, decoder);
    }
    return decoder(value);
  };

  const apply = async (subscription: Subscription, { value }: RawRecord): Promise<void> => {
    if (value === null) return;
    const event = parseEvent(await decode(value), subscription.payload);
    await applyOnce(database, `${schema}.inbox`, event, async (transaction) =>
      subscription.apply(event, transaction),
    );
  };

  const settle = async (subscription: Subscription, record: RawRecord): Promise<void> => {
    const { topic, partition, offset } = record;
    try {
      await apply(subscription, record);
    } catch (error) {
      if (mayWorkNextTime(error)) throw databaseAway(error);
      if (['retry', 'stop'].includes(dispositionOf(error))) throw error;
      const reason = databaseErrorFields(error) ?? { reason: describeError(error) };
      log.error({ topic, partition, offset: String(offset), ...reason }, 'event rejected');
      await database
        .query(
          `INSERT INTO ${schema}.rejected_events (topic, partition, "offset", reason)
           VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`,
          [topic, partition, String(offset), JSON.stringify(reason)],
        )
        .catch((failure: unknown) => {
          throw databaseAway(failure);
        });
    }
  };

  const source = createKafkaSource({
    kafka: createKafka({ clientId: groupId, brokers: broker.brokers, log }),
    groupId,
    isWanted: (topic) => subscriptions.has(topic),
    log,
    topicRefreshMs: TOPIC_REFRESH_MS,
    commitIntervalMs: COMMIT_INTERVAL_MS,
    maxWaitMs: MAX_WAIT_MS,
    maxBytesPerPartition: MAX_BYTES,
  });
  try {
    await source.run(
      {
        onAssigned: () => undefined,
        onRecords: async ({ topic, partition, records }) => {
          const subscription = subscriptions.get(topic);
          for (const record of subscription === undefined ? [] : records) {
            await retry(async () => settle(subscription as Subscription, record), {
              policy: UNTIL_STOPPED,
              signal,
              log,
              what: `apply an event of ${topic}`,
            });
            source.acknowledge(topic, new Map([[partition, record.offset]]));
          }
        },
      },
      signal,
    );
  } finally {
    await source.close();
  }
}

function databaseAway(cause: unknown): TributaryError {
  return new TributaryError('SOURCE_UNAVAILABLE', 'the database does not answer', { cause });
}
