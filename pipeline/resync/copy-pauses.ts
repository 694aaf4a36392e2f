import type { ClickHouseClient } from '@clickhouse/client';
import { sinkError } from '../sink/clickhouse-error.ts';

/** How often whoever copies looks whether it is to pause, in milliseconds. */
const WATCH_MS = 1_000;

/**
 * Has whoever copies tables of a source, wherever it runs, stop reading; or go on.
 *
 * @throws TributaryError `SINK_UNAVAILABLE`, `SINK_REFUSED`
 */
export async function setPaused(
  client: ClickHouseClient,
  source: string,
  isPaused: boolean,
): Promise<void> {
  try {
    await client.insert({
      table: 'ops.copy_pauses',
      values: [{ source, is_paused: isPaused ? 1 : 0 }],
      format: 'JSONEachRow',
    });
  } catch (error) {
    throw sinkError(error, `${isPaused ? 'pausing' : 'resuming'} copies of ${source}`);
  }
}

/**
 * Sources whose copies are paused, and since when.
 *
 * @returns milliseconds since 1970 by source
 * @throws TributaryError `SINK_UNAVAILABLE`, `SINK_REFUSED`
 */
export async function readPauses(client: ClickHouseClient): Promise<ReadonlyMap<string, number>> {
  try {
    const result = await client.query({
      query: `SELECT source, toString(toUnixTimestamp64Milli(updated_at)) AS since
              FROM ops.copy_pauses FINAL WHERE is_paused = 1`,
      format: 'JSONEachRow',
    });
    const rows = await result.json<{ source: string; since: string }>();
    return new Map(rows.map(({ source, since }) => [source, Number(since)]));
  } catch (error) {
    throw sinkError(error, 'reading which copies are paused');
  }
}

/** Whether copies of one source are paused, as of a moment ago. */
export interface PauseWatch extends Disposable {
  readonly isPaused: () => boolean;
}

/** Follows {@link setPaused}; while the warehouse does not answer, what was known last holds. */
export async function watchPauses(client: ClickHouseClient, source: string): Promise<PauseWatch> {
  let isPaused = (await readPauses(client)).has(source);
  const timer = setInterval(() => {
    readPauses(client).then(
      (pauses) => (isPaused = pauses.has(source)),
      () => undefined,
    );
  }, WATCH_MS);
  return { isPaused: () => isPaused, [Symbol.dispose]: () => clearInterval(timer) };
}
