import { setTimeout as delay } from 'node:timers/promises';
import { describeError } from '#runtime/errors.ts';
import type { Logger } from '#runtime/log.ts';
import type { Database } from '#runtime/service/database.ts';

/** Long enough for a snapshot after a lost slot to publish again what was missed. */
const OUTBOX_DAYS = 7;
/** Longer than events may come again. */
const INBOX_DAYS = 30;
const INTERVAL_MS = 3_600_000;
/** Rows per statement: none of them holds locks for long. */
const BATCH = 1_000;

/** Where a service keeps messages. */
export interface MessageTables {
  readonly outbox?: string;
  readonly inbox?: string;
}

/** Removes events that were published or applied long ago, every hour until `signal` aborts. */
export async function pruneMessages(
  database: Database,
  tables: MessageTables,
  { log, signal }: { log: Logger; signal: AbortSignal },
): Promise<void> {
  while (!signal.aborted) {
    try {
      await pruneOnce(database, tables);
    } catch (error) {
      log.warn({ reason: describeError(error) }, 'old messages are removed later');
    }
    await delay(INTERVAL_MS, undefined, { signal }).catch(() => undefined);
  }
}

/** Removes what is old now; resolves with how many rows that were. */
export async function pruneOnce(
  database: Database,
  { outbox, inbox }: MessageTables,
): Promise<number> {
  const old = [
    ...(outbox === undefined ? [] : [[outbox, 'id', 'created_at', OUTBOX_DAYS] as const]),
    ...(inbox === undefined ? [] : [[inbox, 'event_id', 'received_at', INBOX_DAYS] as const]),
  ];
  let removed = 0;
  for (const [table, key, time, days] of old) {
    for (;;) {
      const rows = await database.query(
        `DELETE FROM ${table} WHERE ${key} IN (
           SELECT ${key} FROM ${table} WHERE ${time} < now() - $1 * interval '1 day' LIMIT $2)
         RETURNING ${key}`,
        [days, BATCH],
      );
      removed += rows.length;
      if (rows.length < BATCH) break;
    }
  }
  return removed;
}
