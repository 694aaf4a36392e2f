import { setTimeout as delay } from 'node:timers/promises';
import avro from 'avsc';
import { Kafka, logLevel, type Admin, type Producer } from 'kafkajs';
import { forEachAtMost } from '#runtime/for-each-at-most.ts';
import { TABLE_TOPIC_SETTINGS } from '../pipeline/source/table-topic.ts';
import { envelopeSchema, type SampleColumn } from '../pipeline/testing/sample-envelope.ts';

/** Table of every made-up source. */
export const TABLE = 'items';
const TOPICS_AT_ONCE = 100;
const SCHEMAS_AT_ONCE = 8;
const POLL_MS = 100;

const numeric = {
  type: 'string',
  'connect.parameters': {
    '__debezium.source.column.type': 'NUMERIC',
    '__debezium.source.column.length': '12',
    '__debezium.source.column.scale': '2',
  },
};

const COLUMNS: readonly SampleColumn[] = [
  { name: 'id', type: 'long' },
  { name: 'number', type: 'long' },
  { name: 'name', type: 'string' },
  { name: 'email', type: ['null', 'string'] },
  { name: 'amount', type: numeric },
  { name: 'active', type: 'boolean' },
  { name: 'details', type: { type: 'string', 'connect.name': 'io.debezium.data.Json' } },
  {
    name: 'created_at',
    type: { type: 'string', 'connect.name': 'io.debezium.time.ZonedTimestamp' },
  },
];

/** The same table in Postgres: the pipeline asks a source's catalog for its columns. */
export const TABLE_DEFINITION = `
  CREATE TABLE ${TABLE} (
    id bigint PRIMARY KEY, number bigint NOT NULL, name text NOT NULL, email text,
    amount numeric(12,2) NOT NULL, active boolean NOT NULL, details jsonb NOT NULL,
    created_at timestamptz NOT NULL)`;

/** One change to be made up. */
export interface MadeUpChange {
  /** Which of the sources. */
  readonly source: number;
  readonly partition: number;
}

/**
 * Sources that are not there: their topics, their schemas in the registry, and changes as Debezium
 * would write them, straight into Kafka. A thousand Postgres servers do not fit on one machine; to
 * the pipeline nothing is different.
 */
export class MadeUpSources implements AsyncDisposable {
  readonly names: readonly string[];
  readonly #kafka: Kafka;
  readonly #producer: Producer;
  readonly #schemaIds: { key: number; value: number }[] = [];
  readonly #valueType: avro.Type;
  readonly #keyType: avro.Type;
  readonly #padding: string;
  #made = 0;

  /** @param options - `prefix` of the names; `widthBytes`: about how long a row is */
  constructor(options: {
    prefix: string;
    count: number;
    brokers: readonly string[];
    widthBytes: number;
  }) {
    this.names = Array.from(
      { length: options.count },
      (_, index) => `${options.prefix}${String(index).padStart(4, '0')}`,
    );
    this.#kafka = new Kafka({
      clientId: 'bench-sources',
      brokers: [...options.brokers],
      logLevel: logLevel.NOTHING,
    });
    this.#producer = this.#kafka.producer({ allowAutoTopicCreation: false });
    // All tables are alike but for their names, which are not in the bytes.
    const type = (schema: unknown) =>
      avro.Type.forSchema(schema as avro.Schema, { registry: {}, wrapUnions: 'never' });
    this.#valueType = type(valueSchema('s'));
    this.#keyType = type(keySchema('s'));
    this.#padding = 'x'.repeat(Math.max(0, options.widthBytes - 150));
  }

  topic(source: number): string {
    return `${this.names[source]}.public.${TABLE}`;
  }

  /** Changes made so far, of all sources. */
  get made(): number {
    return this.#made;
  }

  /** Makes topics and registers schemas. @param registry - root of the Confluent-compatible API */
  async create(partitions: number, registry: string, replicas = 1): Promise<void> {
    const admin = this.#kafka.admin();
    await admin.connect();
    const configEntries = Object.entries(TABLE_TOPIC_SETTINGS).map(([name, value]) => ({
      name,
      value,
    }));
    const topics = this.names.map((_, source) => ({
      topic: this.topic(source),
      numPartitions: partitions,
      replicationFactor: replicas,
      configEntries,
    }));
    for (let from = 0; from < topics.length; from += TOPICS_AT_ONCE) {
      const some = topics.slice(from, from + TOPICS_AT_ONCE);
      await admin.createTopics({ topics: some, waitForLeaders: false });
    }
    await untilLed(admin, new Set(topics.map(({ topic }) => topic)), partitions);
    await admin.disconnect();
    await this.#producer.connect();
    await forEachAtMost(SCHEMAS_AT_ONCE, this.names.entries(), async ([index, name]) => {
      const register = (kind: 'key' | 'value', schema: unknown) =>
        registerSchema(registry, `${this.topic(index)}-${kind}`, schema);
      this.#schemaIds[index] = {
        key: await register('key', keySchema(name)),
        value: await register('value', valueSchema(name)),
      };
    });
  }

  /** Writes changes that are committed now: a new row each. Resolves when the broker has them. */
  async write(changes: readonly MadeUpChange[], acks = 1): Promise<void> {
    const committedAtMicros = Date.now() * 1_000;
    const byTopic = new Map<string, { key: Buffer; value: Buffer; partition: number }[]>();
    for (const { source, partition } of changes) {
      const topic = this.topic(source);
      let messages = byTopic.get(topic);
      if (messages === undefined) byTopic.set(topic, (messages = []));
      messages.push({ ...this.#encode(source, committedAtMicros), partition });
    }
    await this.#producer.sendBatch({
      acks,
      topicMessages: [...byTopic].map(([topic, messages]) => ({ topic, messages })),
    });
  }

  #encode(source: number, committedAtMicros: number): { key: Buffer; value: Buffer } {
    const ids = this.#schemaIds[source];
    if (ids === undefined) throw new Error('the sources were not created');
    const id = (this.#made += 1);
    const after = {
      id,
      number: id * 7,
      name: `Item number ${id}`,
      email: id % 3 === 0 ? null : `item${id}@shop.example`,
      amount: `${id % 10_000}.50`,
      active: id % 7 !== 0,
      details: `{"theme":"dark","visits":${id},"more":"${this.#padding}"}`,
      created_at: '2026-01-02T03:04:05.678901Z',
    };
    const value = this.#valueType.toBuffer({
      before: null,
      after,
      source: {
        version: '3.6.3.Final',
        connector: 'postgresql',
        name: this.names[source],
        ts_ms: Math.floor(committedAtMicros / 1_000),
        snapshot: 'false',
        db: 'bench',
        sequence: `["${id}","${id + 1}"]`,
        ts_us: committedAtMicros,
        ts_ns: null,
        schema: 'public',
        table: TABLE,
        txId: id,
        lsn: id + 1,
        xmin: null,
      },
      transaction: null,
      op: 'c',
      ts_ms: Math.floor(committedAtMicros / 1_000),
      ts_us: committedAtMicros,
      ts_ns: null,
    });
    return {
      key: framed(ids.key, this.#keyType.toBuffer({ id })),
      value: framed(ids.value, value),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#producer.disconnect();
  }
}

/** Resolves when all partitions of these topics have a leader. */
async function untilLed(
  admin: Admin,
  wanted: ReadonlySet<string>,
  partitions: number,
): Promise<void> {
  for (;;) {
    const { topics } = await admin.fetchTopicMetadata().catch(() => ({ topics: [] }));
    const led = topics
      .filter(({ name }) => wanted.has(name))
      .flatMap((topic) => topic.partitions)
      .filter(({ leader }) => leader >= 0);
    if (led.length === wanted.size * partitions) return;
    await delay(POLL_MS);
  }
}

function framed(schemaId: number, body: Buffer): Buffer {
  const header = Buffer.alloc(5);
  header.writeUInt32BE(schemaId, 1);
  return Buffer.concat([header, body]);
}

/** The envelope with the names that the connector of a source gives it. */
function valueSchema(source: string): unknown {
  const text = JSON.stringify(envelopeSchema(TABLE, COLUMNS));
  return JSON.parse(
    text.replaceAll(`shop.public.${TABLE}`, `${source}.public.${TABLE}`),
  ) as unknown;
}

function keySchema(source: string): unknown {
  return {
    type: 'record',
    name: 'Key',
    namespace: `${source}.public.${TABLE}`,
    fields: COLUMNS.slice(0, 1),
    'connect.name': `${source}.public.${TABLE}.Key`,
  };
}

async function registerSchema(registry: string, subject: string, schema: unknown): Promise<number> {
  const response = await fetch(`${registry}/subjects/${subject}/versions`, {
    method: 'POST',
    headers: { 'content-type': 'application/vnd.schemaregistry.v1+json' },
    body: JSON.stringify({ schema: JSON.stringify(schema) }),
  });
  if (!response.ok) throw new Error(`the registry answers ${response.status} for ${subject}`);
  return ((await response.json()) as { id: number }).id;
}
