import { Readable } from 'node:stream';
import type { ClickHouseClient } from '@clickhouse/client';
import { quoteName } from '../sink/identifier.ts';

const SETTINGS = {
  date_time_input_format: 'basic',
  precise_float_parsing: 1,
  async_insert: 0,
  // No key is twice in a copy: looking for one in each block would be for nothing.
  optimize_on_insert: 0,
  // Where several tables are fed, all at the same time.
  parallel_view_processing: 1,
} as const;

/**
 * Inserts rows as COPY prints them: ClickHouse reads the same escapes.
 *
 * @param into - quoted name of a table
 * @param columns - names of the columns, in the order of the values
 * @param rows - whole rows
 * @throws whatever the warehouse says
 */
export async function insertCopied(
  client: ClickHouseClient,
  into: string,
  columns: readonly string[],
  rows: Buffer,
): Promise<void> {
  const { stream } = await client.exec({
    query: `INSERT INTO ${into} (${columns.map(quoteName).join(', ')}) FORMAT TabSeparated`,
    values: Readable.from([rows], { objectMode: false }),
    clickhouse_settings: SETTINGS,
  });
  stream.resume();
}
