import avro from 'avsc';
import type { AvroSchema } from '../avro/avro-schema.ts';

/*
 * Records as Debezium writes them, for tests that need bytes and no broker. The shape was taken
 * from schemas that a real connector registered.
 */

/** A column of the sample table, in the source's order. */
export interface SampleColumn {
  readonly name: string;
  readonly type: AvroSchema;
}

/** Schema of a Debezium envelope around a row. */
export function envelopeSchema(table: string, columns: readonly SampleColumn[]): AvroSchema {
  const namespace = `shop.public.${table}`;
  return {
    type: 'record',
    name: 'Envelope',
    namespace,
    fields: [
      {
        name: 'before',
        type: ['null', { type: 'record', name: 'Value', namespace, fields: columns }],
        default: null,
      },
      { name: 'after', type: ['null', `${namespace}.Value`], default: null },
      { name: 'source', type: SOURCE_BLOCK },
      {
        name: 'transaction',
        type: [
          'null',
          {
            type: 'record',
            name: 'block',
            namespace: 'event',
            fields: [
              { name: 'id', type: 'string' },
              { name: 'total_order', type: 'long' },
              { name: 'data_collection_order', type: 'long' },
            ],
          },
        ],
        default: null,
      },
      { name: 'op', type: 'string' },
      { name: 'ts_ms', type: ['null', 'long'], default: null },
      { name: 'ts_us', type: ['null', 'long'], default: null },
      { name: 'ts_ns', type: ['null', 'long'], default: null },
    ],
    'connect.name': `${namespace}.Envelope`,
  };
}

const SOURCE_BLOCK = {
  type: 'record',
  name: 'Source',
  namespace: 'io.debezium.connector.postgresql',
  fields: [
    { name: 'version', type: 'string' },
    { name: 'connector', type: 'string' },
    { name: 'name', type: 'string' },
    { name: 'ts_ms', type: 'long' },
    { name: 'snapshot', type: ['null', 'string'], default: null },
    { name: 'db', type: 'string' },
    { name: 'sequence', type: ['null', 'string'], default: null },
    { name: 'ts_us', type: ['null', 'long'], default: null },
    { name: 'ts_ns', type: ['null', 'long'], default: null },
    { name: 'schema', type: 'string' },
    { name: 'table', type: 'string' },
    { name: 'txId', type: ['null', 'long'], default: null },
    { name: 'lsn', type: ['null', 'long'], default: null },
    { name: 'xmin', type: ['null', 'long'], default: null },
  ],
};

/** A change as {@link encodeChange} takes it. Longs are numbers here. */
export interface SampleChange {
  readonly op: 'r' | 'c' | 'u' | 'd' | 't';
  readonly before?: Record<string, unknown> | null;
  readonly after?: Record<string, unknown> | null;
  readonly sequence?: string | null;
  readonly lsn?: number;
  readonly transaction?: number;
  readonly committedAtMicros?: number;
}

/** Bytes of a change in the wire format. */
export function encodeChange(
  schema: AvroSchema,
  schemaId: number,
  table: string,
  change: SampleChange,
): Buffer {
  const micros = change.committedAtMicros ?? 1_700_000_000_000_000;
  const body = avro.Type.forSchema(schema as avro.Schema, {
    registry: {},
    wrapUnions: 'never',
  }).toBuffer({
    before: change.before ?? null,
    after: change.after ?? null,
    source: {
      version: '3.6.3.Final',
      connector: 'postgresql',
      name: 'shop',
      ts_ms: Math.floor(micros / 1000),
      snapshot: change.op === 'r' ? 'true' : 'false',
      db: 'shop',
      sequence: change.sequence ?? '["9000","9056"]',
      ts_us: micros,
      ts_ns: null,
      schema: 'public',
      table,
      txId: change.transaction ?? 7,
      lsn: change.lsn ?? 9056,
      xmin: null,
    },
    transaction: null,
    op: change.op,
    ts_ms: Math.floor(micros / 1000),
    ts_us: micros,
    ts_ns: null,
  });
  const header = Buffer.alloc(5);
  header.writeUInt32BE(schemaId, 1);
  return Buffer.concat([header, body]);
}
