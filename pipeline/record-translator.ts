import { messageCode, TributaryError } from '#runtime/errors.ts';
import type { Logger } from '#runtime/log.ts';
import { retry, UNTIL_STOPPED } from '#runtime/retry.ts';
import { isRecord, parseAvroSchema, type AvroSchema } from './avro/avro-schema.ts';
import type { SchemaRegistry } from './avro/registry-client.ts';
import { readSchemaId, type SchemaId } from './avro/wire-format.ts';
import { tableRules, type ColumnRules } from './catalog/column-rules.ts';
import type { ChangeEvent } from './change/change-event.ts';
import { stampOf, type Position } from './change/change-stamp.ts';
import { readEnvelope } from './change/envelope.ts';
import { compileEnvelope, rowSchemaOf, type ReadEnvelopeBytes } from './change/envelope-reader.ts';
import { firstOffsetOf } from './change/replay.ts';
import type { EpochTimeline } from './change/epoch-timeline.ts';
import type { Epoch } from './change/version.ts';
import type { ColumnNames } from './evolution/column-names.ts';
import type { Work } from './sink/batch.ts';
import type { SourceRecord } from './sink/dead-letter.ts';
import { ownCells } from './transform/own-columns.ts';
import {
  keyFieldsOf,
  planTable,
  relationName,
  sourceNameOf,
  type PublishedColumns,
  type TablePlan,
} from './transform/table-plan.ts';

interface ValueSchema {
  readonly schema: AvroSchema;
  readonly read: ReadEnvelopeBytes;
  readonly published: PublishedColumns;
}

interface KeySchema {
  readonly schema: AvroSchema;
  readonly fields: readonly string[];
}

const NO_NAMES: PublishedColumns = { names: new Map(), gone: new Set() };
const NO_KEY: KeySchema = { schema: 'null', fields: [] };

/**
 * Turns records of one source's topics into work for the sink: bytes to change event to row.
 *
 * Schemas are fetched once and kept: an id never changes its meaning.
 */
export class RecordTranslator {
  readonly #registry: SchemaRegistry;
  readonly #source: string;
  readonly #rules: ColumnRules;
  readonly #columnNames: ColumnNames;
  readonly #log: Logger;
  readonly #signal: AbortSignal;
  readonly #values = new Map<SchemaId, ValueSchema>();
  readonly #keys = new Map<SchemaId, KeySchema>();
  readonly #plans = new Map<string, TablePlan>();
  /** Most records of a topic have the plan of the one before. */
  #lastPlan:
    | {
        readonly value: ValueSchema;
        readonly key: KeySchema;
        readonly schema: string;
        readonly table: string;
        readonly plan: TablePlan;
      }
    | undefined;

  constructor(options: {
    registry: SchemaRegistry;
    source: string;
    rules: ColumnRules;
    columnNames: ColumnNames;
    log: Logger;
    signal: AbortSignal;
  }) {
    this.#registry = options.registry;
    this.#source = options.source;
    this.#rules = options.rules;
    this.#columnNames = options.columnNames;
    this.#log = options.log;
    this.#signal = options.signal;
  }

  /**
   * Fetches the schemas that a record was written with, waiting for the registry when it is away.
   *
   * @throws TributaryError `SCHEMA_UNKNOWN`, `RECORD_MALFORMED`, `ENVELOPE_UNEXPECTED`;
   * `SOURCE_UNAVAILABLE` when a schema is new and the source cannot be asked about its columns
   */
  async makeReady(record: SourceRecord): Promise<void> {
    if (record.value === null) return;
    const valueId = readSchemaId(record.value);
    if (!this.#values.has(valueId)) {
      const schema = await this.#fetch(valueId);
      const read = compileEnvelope(schema);
      const { source } = read(record.value);
      const published = await this.#publishedOf(source?.schema, source?.table, schema, valueId);
      this.#values.set(valueId, { schema, read, published });
    }
    if (record.key === null) return;
    const keyId = readSchemaId(record.key);
    if (!this.#keys.has(keyId)) {
      const schema = await this.#fetch(keyId);
      if (!isRecord(schema)) {
        throw new TributaryError('ENVELOPE_UNEXPECTED', 'the key schema is not one of columns');
      }
      this.#keys.set(keyId, { schema, fields: keyFieldsOf(schema) });
    }
  }

  /**
   * Translates a record.
   *
   * @param timeline - epochs of the record's topic
   * @returns undefined when its schemas are not there: {@link makeReady} fetches them
   * @throws TributaryError of disposition `dead-letter`, or `KEY_MISSING` (halt)
   */
  translate(record: SourceRecord, timeline: EpochTimeline): Work | undefined {
    // A tombstone tells log compaction what the delete before it has told us already.
    if (record.value === null) return { kind: 'skip', record };
    const valueId = readSchemaId(record.value);
    const value = this.#values.get(valueId);
    const key = record.key === null ? NO_KEY : this.#keys.get(readSchemaId(record.key));
    if (value === undefined || key === undefined) return undefined;
    const event = readEnvelope(value.read(record.value), key.fields.length === 0);
    const { origin } = event;
    const position = positionOf(record);
    const stamp = stampOf(event, position, epochOf(event, position, timeline));
    if (event.kind === 'truncate') {
      const table = { source: this.#source, relation: relationName(origin.schema, origin.table) };
      return { kind: 'truncate', record, table, own: ownCells(stamp) };
    }
    const plan = this.#plan(origin.schema, origin.table, valueId, value, key);
    const isReplayed = position.firstOffset !== undefined;
    // The table was copied since, with what this did. Elsewhere it would lose against the copy; copies
    // of a row are counted, and it would be one more.
    if (plan.isKeyless && isReplayed && stamp.version.epoch < timeline.newest)
      return { kind: 'skip', record };
    return {
      kind: 'row',
      record,
      plan,
      rows: event.rows,
      stamp,
      // Neither a row read by a snapshot nor a replayed change is late: nobody waited for it.
      committedAtMicros:
        event.kind === 'snapshot' || isReplayed ? undefined : origin.committedAtMicros,
      isReplayed,
    };
  }

  #plan(
    schema: string,
    table: string,
    valueId: SchemaId,
    value: ValueSchema,
    key: KeySchema,
  ): TablePlan {
    const last = this.#lastPlan;
    if (last?.value === value && last.key === key && last.schema === schema && last.table === table)
      return last.plan;
    const id = `${valueId}/${key.fields.length}/${schema}/${table}`;
    let plan = this.#plans.get(id);
    if (plan === undefined) {
      plan = planTable({
        source: this.#source,
        schema,
        table,
        keySchema: key === NO_KEY ? null : key.schema,
        valueSchema: value.schema,
        schemaId: valueId,
        published: value.published,
        rules: tableRules(this.#rules, { schema, table }),
      });
      this.#plans.set(id, plan);
    }
    this.#lastPlan = { value, key, schema, table, plan };
    return plan;
  }

  async #publishedOf(
    schema: unknown,
    table: unknown,
    valueSchema: AvroSchema,
    schemaId: SchemaId,
  ): Promise<PublishedColumns> {
    // Whatever else is wrong with such a record, reading its envelope tells.
    if (typeof schema !== 'string' || typeof table !== 'string') return NO_NAMES;
    const columns = rowSchemaOf(valueSchema).fields.map(sourceNameOf);
    const name = { source: this.#source, schema, table };
    const published = await retry(
      () =>
        this.#columnNames.of(name, columns, schemaId).catch((error: unknown) => {
          // Other tables must not wait for this one's database.
          if (messageCode(error) === 'SOURCE_UNAVAILABLE') return error as TributaryError;
          throw error;
        }),
      { policy: UNTIL_STOPPED, signal: this.#signal, log: this.#log, what: 'naming columns' },
    );
    if (published instanceof TributaryError) throw published;
    return published;
  }

  async #fetch(id: SchemaId): Promise<AvroSchema> {
    const signal = this.#signal;
    const json = await retry(() => this.#registry.schema(id, signal), {
      policy: UNTIL_STOPPED,
      signal,
      log: this.#log,
      what: 'fetching a schema',
    });
    return parseAvroSchema(json);
  }
}

function epochOf(
  { kind, origin }: ChangeEvent,
  position: Position,
  timeline: EpochTimeline,
): Epoch {
  return timeline.epochOf({
    partition: position.partition,
    offset: position.firstOffset ?? position.offset,
    transaction: origin.transaction,
    isSnapshot: kind === 'snapshot',
  });
}

function positionOf(record: SourceRecord): Position {
  const firstOffset = firstOffsetOf(record.headers);
  return firstOffset === undefined
    ? record
    : { partition: record.partition, offset: record.offset, firstOffset };
}
