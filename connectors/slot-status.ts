import { z } from 'zod';
import type { Source } from '../pipeline/catalog/catalog.ts';
import { captureNames } from './connector-config.ts';
import { withDatabase } from './source-connection.ts';

/** How a source's replication slot stands. */
export interface SlotStatus {
  /** Whether the connector is reading it. */
  readonly active: boolean;
  /** `reserved`, `extended`, `unreserved` or `lost`; `unknown` from a standby. */
  readonly walStatus: string;
  /** WAL the server keeps because of it. */
  readonly retainedBytes: number;
  /** WAL that may still be written before the slot is lost; null without a bound, or once lost. */
  readonly safeBytes: number | null;
  /** Replication lag: WAL written but not yet confirmed by the connector. */
  readonly lagBytes: number;
}

const row = z.object({
  active: z.boolean(),
  walStatus: z.string(),
  retainedBytes: z.coerce.number(),
  safeBytes: z.coerce.number().nullable(),
  lagBytes: z.coerce.number(),
});

const SQL = `
  SELECT active, coalesce(wal_status, 'unknown') AS "walStatus",
         coalesce(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn), 0) AS "retainedBytes",
         safe_wal_size AS "safeBytes",
         coalesce(pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn), 0) AS "lagBytes"
  FROM pg_replication_slots WHERE slot_name = $1`;

/**
 * Looks at a source's slot.
 *
 * @returns undefined when there is none yet
 * @throws TributaryError `SOURCE_UNAVAILABLE`, `PREFLIGHT_FAILED`
 */
export async function slotStatus(source: Source): Promise<SlotStatus | undefined> {
  return withDatabase(source.name, source.url, async (client) => {
    const { rows } = await client.query(SQL, [captureNames(source.name).slot]);
    return z.array(row).parse(rows)[0];
  });
}
