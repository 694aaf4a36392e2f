import pg from 'pg';
import { Secret } from '#runtime/config.ts';
import { createLogger } from '#runtime/log.ts';
import type { AvroSchema } from '../pipeline/avro/avro-schema.ts';
import { connectWarehouse } from '../pipeline/sink/clickhouse-client.ts';
import { MirroredTable, type MirroredColumn } from '../pipeline/testing/mirrored-table.ts';
import { startPostgres } from '../pipeline/testing/postgres-server.ts';
import { verifyTable } from '../pipeline/verify/verify-table.ts';
import { migrate } from '../warehouse/migrate.ts';
import { startEmbeddedWarehouse } from '../warehouse/testing/embedded-server.ts';

/** How long `verify` takes over one table. */
export interface VerifyResult {
  /** Kind of its primary key. */
  readonly key: string;
  readonly rows: number;
  /** Seconds until it is known that both sides are equal. */
  readonly equalSeconds: number;
  /** Seconds until one changed cell is found. */
  readonly foundSeconds: number;
}

const ROWS_AT_ONCE = 50_000;

const uuid: AvroSchema = { type: 'string', 'connect.name': 'io.debezium.data.Uuid' };
const timestamptz: AvroSchema = {
  type: 'string',
  'connect.name': 'io.debezium.time.ZonedTimestamp',
};
const numeric: AvroSchema = {
  type: 'string',
  'connect.parameters': {
    '__debezium.source.column.type': 'NUMERIC',
    '__debezium.source.column.length': '12',
    '__debezium.source.column.scale': '2',
  },
};

const KEYS: readonly { kind: string; column: MirroredColumn; value: string }[] = [
  { kind: 'bigint', column: { name: 'id', definition: 'bigint', avro: 'long' }, value: 'i' },
  {
    kind: 'uuid',
    column: { name: 'id', definition: 'uuid', avro: uuid },
    value: 'md5(i::text)::uuid',
  },
  {
    kind: "text in a language's order",
    column: { name: 'id', definition: 'text COLLATE "und-x-icu"', avro: 'string' },
    value: "'customer ' || md5(i::text)",
  },
];

/** Ten columns beside the key, as a service's table might have them. */
const COLUMNS: readonly (MirroredColumn & { value: string })[] = [
  { name: 'number', definition: 'bigint NOT NULL', avro: 'long', value: 'i' },
  { name: 'user_id', definition: 'uuid NOT NULL', avro: uuid, value: "md5(i || 'u')::uuid" },
  {
    name: 'status',
    definition: 'text NOT NULL',
    avro: 'string',
    value: "(ARRAY['new','paid','sent'])[i % 3 + 1]",
  },
  { name: 'total', definition: 'numeric(12,2) NOT NULL', avro: numeric, value: 'i * 1.01' },
  {
    name: 'email',
    definition: 'text',
    avro: ['null', 'string'],
    value: "'person' || i || '@example.com'",
  },
  {
    name: 'note',
    definition: 'text',
    avro: ['null', 'string'],
    value: "CASE WHEN i % 4 = 0 THEN repeat('note ', 12) END",
  },
  {
    name: 'details',
    definition: 'jsonb NOT NULL',
    avro: 'string',
    value: `jsonb_build_object('sku', 'a-' || i, 'quantity', i % 9)`,
  },
  { name: 'flag', definition: 'boolean NOT NULL', avro: 'boolean', value: 'i % 2 = 0' },
  {
    name: 'created_at',
    definition: 'timestamptz NOT NULL',
    avro: timestamptz,
    value: "timestamptz '2024-01-01' + i * interval '1 s'",
  },
  {
    name: 'updated_at',
    definition: 'timestamptz NOT NULL',
    avro: timestamptz,
    value: "timestamptz '2024-01-01' + i * interval '1.5 s'",
  },
];

/** Measures `verify` on tables of `rows` rows and eleven columns, with no pipeline beside it. */
export async function measureVerify(
  rows: number,
  report: (result: VerifyResult) => void,
): Promise<VerifyResult[]> {
  // A small service's memory, not the few megabytes of a test server.
  await using server = await startPostgres({
    dedicated: true,
    settings: { shared_buffers: '256MB' },
  });
  await using embedded = await startEmbeddedWarehouse();
  const warehouse = connectWarehouse(
    { url: embedded.url, user: 'default', password: new Secret('') },
    'bench',
  );
  const source = new pg.Client({ connectionString: server.adminUrl });
  const verifier = new pg.Client({ connectionString: server.adminUrl });
  const signal = new AbortController().signal;
  const results: VerifyResult[] = [];
  try {
    await Promise.all([source.connect(), verifier.connect()]);
    await migrate(warehouse, { log: createLogger('bench', 'silent'), signal });
    for (const [index, { kind, column, value }] of KEYS.entries()) {
      const table = `verify_${index}`;
      const mirrored = await MirroredTable.create(source, warehouse, {
        table,
        columns: [column, ...COLUMNS],
        key: [column.name],
      });
      for (let from = 1; from <= rows; from += ROWS_AT_ONCE) {
        await source.query(
          `INSERT INTO ${table} SELECT ${[value, ...COLUMNS.map((part) => part.value)].join(', ')}
           FROM generate_series(${from}, ${Math.min(from + ROWS_AT_ONCE - 1, rows)}) i`,
        );
        await mirrored.apply(await mirrored.newest());
      }
      await source.query(`VACUUM ANALYZE ${table}`);
      const verify = async (differing: number) => {
        const began = performance.now();
        const found = await verifyTable(
          { source: 'shop', schema: 'public', table },
          verifier,
          warehouse,
          {
            signal,
            catchUp: async () => undefined,
          },
        );
        const seconds = (performance.now() - began) / 1_000;
        if (found.sourceRows !== rows || found.different !== differing) {
          throw new Error(`verify found ${found.different} differing of ${found.sourceRows} rows`);
        }
        return seconds;
      };
      const equalSeconds = await verify(0);
      await mirrored.damage({ flag: 'NOT flag' }, `number = ${Math.ceil(rows / 2)}`, rows * 2);
      const result = { key: kind, rows, equalSeconds, foundSeconds: await verify(1) };
      report(result);
      results.push(result);
    }
    return results;
  } finally {
    await Promise.all([source.end(), verifier.end(), warehouse.close()]);
  }
}
