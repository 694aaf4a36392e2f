import type { Catalog } from '../../pipeline/catalog/catalog.ts';
import { isCaptured } from '../../pipeline/catalog/table-pattern.ts';
import { listTables } from '../../pipeline/verify/table-shape.ts';
import { captureNames } from '../connector-config.ts';
import { withDatabase } from '../source-connection.ts';
import { judgeSharing, type SharingFinding } from './judge-sharing.ts';
import { readSharing } from './sharing-facts.ts';

/**
 * Looks for what the services of a catalog share behind each other's backs.
 *
 * @throws TributaryError `SOURCE_UNAVAILABLE`, `PREFLIGHT_FAILED` when a database cannot be asked: an
 * audit of the others would pass for one of all
 */
export async function auditSources(catalog: Catalog): Promise<SharingFinding[]> {
  return judgeSharing(
    await Promise.all(
      catalog.sources.map(async (source) => ({
        source: source.name,
        facts: await withDatabase(source.name, source.url, async (client) =>
          readSharing(client, {
            tables: (await listTables(client)).filter((table) => isCaptured(source, table)),
            role: source.address.user,
            ...captureNames(source.name),
          }),
        ),
      })),
    ),
  );
}
