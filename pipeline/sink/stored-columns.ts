import type { ClickHouseClient } from '@clickhouse/client';
import { sinkError } from './clickhouse-error.ts';
import { CURRENT, type StoredColumn } from './table-ddl.ts';

/**
 * Columns of a table in `current`, in order; none when it is not there.
 *
 * @param storage - see `storageName`
 * @throws TributaryError `SINK_UNAVAILABLE`, `SINK_REFUSED`
 */
export async function storedColumns(
  client: ClickHouseClient,
  storage: string,
): Promise<StoredColumn[]> {
  try {
    const result = await client.query({
      query: `SELECT name, type, is_in_primary_key FROM system.columns
              WHERE database = {database:String} AND table = {table:String} ORDER BY position`,
      query_params: { database: CURRENT, table: storage },
      format: 'JSONEachRow',
    });
    const rows = await result.json<{
      name: string;
      type: string;
      is_in_primary_key: number;
    }>();
    return rows.map(({ name, type, is_in_primary_key }) => ({
      name,
      type,
      isKey: is_in_primary_key === 1,
    }));
  } catch (error) {
    throw sinkError(error, `reading the columns of ${CURRENT}.${storage}`);
  }
}
