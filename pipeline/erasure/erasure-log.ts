import type { ClickHouseClient } from '@clickhouse/client';
import { sinkError } from '../sink/clickhouse-error.ts';
import { isComplete, type Erasure } from './erase-subject.ts';

/**
 * Keeps a record of an erasure in `ops.erasures`, for whoever has to show that it was done.
 *
 * @param askedBy - account
 * @throws TributaryError `SINK_UNAVAILABLE`, `SINK_REFUSED`
 */
export async function recordErasure(
  client: ClickHouseClient,
  subject: string,
  key: string,
  erasure: Erasure,
  askedBy: string,
): Promise<void> {
  const sum = (numbers: readonly number[]) => numbers.reduce((total, each) => total + each, 0);
  try {
    await client.insert({
      table: 'ops.erasures',
      values: [
        {
          subject,
          subject_key: key,
          asked_by: askedBy,
          is_complete: isComplete(erasure),
          rows: sum(erasure.tables.map(({ rows }) => rows)),
          changes: sum(erasure.tables.map(({ changes }) => changes)),
          letters: erasure.letters,
          records: erasure.topics.reduce((total, { records }) => total + records, 0n).toString(),
          left: [
            ...erasure.tables.filter(({ atSource }) => atSource > 0).map(({ table }) => table),
            ...erasure.topics.filter(({ left }) => left > 0n).map(({ topic }) => topic),
            ...erasure.found.map(({ table, column }) => `${table}.${column}`),
          ],
        },
      ],
      format: 'JSONEachRow',
    });
  } catch (error) {
    throw sinkError(error, 'recording an erasure');
  }
}
