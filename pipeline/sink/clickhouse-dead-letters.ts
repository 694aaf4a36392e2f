import type { ClickHouseClient } from '@clickhouse/client';
import { sinkError } from './clickhouse-error.ts';
import type { DeadLetter } from './dead-letter.ts';

/**
 * Lists a dead letter in `ops.dead_letters`, where people look for it.
 *
 * @throws TributaryError `SINK_UNAVAILABLE`, `SINK_REFUSED`
 */
export async function recordDeadLetter(
  client: ClickHouseClient,
  { record, error }: DeadLetter,
): Promise<void> {
  try {
    await client.insert({
      table: 'ops.dead_letters',
      format: 'JSONEachRow',
      values: [
        {
          topic: record.topic,
          partition: record.partition,
          offset: record.offset.toString(),
          code: error.code,
          reason: error.message,
          key_bytes: record.key?.toString('base64') ?? '',
          value_bytes: record.value?.toString('base64') ?? '',
        },
      ],
    });
  } catch (failure) {
    throw sinkError(failure, 'listing a dead letter');
  }
}
