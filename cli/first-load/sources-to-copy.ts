import type { LiveConnector } from '../../connectors/connect-client.ts';
import { captureNames } from '../../connectors/connector-config.ts';
import type { PreflightReport } from '../../connectors/preflight.ts';
import { withDatabase } from '../../connectors/source-connection.ts';
import type { Source } from '../../pipeline/catalog/catalog.ts';
import { relationOf } from '../../pipeline/first-load/source-snapshot.ts';

/** From here on Debezium's snapshot takes longer than a copy needs to begin: 32 MB, some 10 s. */
const LARGE_BYTES = 32 * 1024 * 1024;

/**
 * Sources whose rows may have to be copied. Where the catalog does not say who reads them, those of a
 * new source that is large are, and so is what a copy before has not brought to its end. Of all others
 * nothing but their own database is asked.
 *
 * @param reports - of preflight, without errors
 * @param live - connectors there are
 * @throws TributaryError `SOURCE_UNAVAILABLE`
 */
export async function sourcesToCopy(
  sources: readonly Source[],
  reports: readonly PreflightReport[],
  live: ReadonlyMap<string, LiveConnector>,
): Promise<Source[]> {
  const wanted = await Promise.all(
    sources.map(async (source) => {
      const { connector } = captureNames(source.name);
      if (source.firstLoad !== 'by size') return source.firstLoad === 'copy';
      const state = live.get(connector)?.status.connector.state;
      // One that is stopped may have been made by a load that was killed before it had an offset.
      if (live.has(connector) && state !== 'STOPPED') return false;
      const report = reports.find((other) => other.source === source.name);
      return report !== undefined && (await isLargeOrBegun(source, report));
    }),
  );
  return sources.filter((_, index) => wanted[index] === true);
}

async function isLargeOrBegun(source: Source, { tables }: PreflightReport): Promise<boolean> {
  return withDatabase(source.name, source.url, async (database) => {
    const { rows } = await database.query<{ is_large: boolean; has_slot: boolean }>(
      `SELECT coalesce(sum(pg_table_size(p.relid)), 0) >= $2 AS is_large,
              EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = $3) AS has_slot
       FROM unnest($1::text[]) AS name,
            LATERAL (SELECT to_regclass(name) AS relid
                     UNION SELECT relid FROM pg_partition_tree(to_regclass(name))) AS p`,
      [tables.map(relationOf), LARGE_BYTES, captureNames(source.name).slot],
    );
    return rows[0]?.is_large === true || rows[0]?.has_slot === true;
  });
}
