import type { ClickHouseClient } from '@clickhouse/client';
import { sinkError } from './clickhouse-error.ts';
import { COPY_COLUMNS, OWN_NAMES } from '../transform/table-plan.ts';
import { CHANGES, CURRENT, type StoredColumn } from './table-ddl.ts';

/**
 * Columns of a table in `current`, in order; of one without a key those of its change log, of which
 * `current` is a view. None when it is not there.
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
              WHERE table = {table:String} AND database = if((
                  SELECT count() FROM system.columns
                  WHERE database = '${CHANGES}' AND table = {table:String} AND name = '${COPY_COLUMNS.row}'
                ) > 0, '${CHANGES}', '${CURRENT}') ORDER BY position`,
      query_params: { table: storage },
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
      isKey: is_in_primary_key === 1 && !OWN_NAMES.has(name),
    }));
  } catch (error) {
    throw sinkError(error, `reading the columns of ${CURRENT}.${storage}`);
  }
}
