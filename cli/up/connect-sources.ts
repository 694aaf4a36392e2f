import { TributaryError } from '#runtime/errors.ts';
import type { Secret } from '#runtime/config.ts';
import { applyConnectors } from '../../connectors/apply.ts';
import { createConnectClient } from '../../connectors/connect-client.ts';
import { captureNames } from '../../connectors/connector-config.ts';
import { describeReport } from '../../connectors/describe.ts';
import { desiredConnectors } from '../../connectors/desired-connectors.ts';
import { errorsOf, preflight } from '../../connectors/preflight.ts';
import { provision } from '../../connectors/provision.ts';
import { writeSourceSecrets } from '../../local/secrets.ts';
import { loadSources, type LoadTools } from '../first-load/load-sources.ts';
import { sourcesToCopy } from '../first-load/sources-to-copy.ts';
import type { Catalog, Source } from '../../pipeline/catalog/catalog.ts';

const DEADLINE_MS = 120_000;

/**
 * Brings every source of the catalog to Kafka Connect: prepares the databases it may prepare,
 * checks all, copies the rows of new ones, and waits until every connector runs.
 *
 * @param adminUrls - databases of our own, by source, which are provisioned as their superuser
 * @throws TributaryError `PREFLIGHT_FAILED` with everything that is missing and the SQL for it, and
 * what {@link applyConnectors} throws
 */
export async function connectSources(options: {
  catalog: Catalog;
  connectUrl: string;
  secretsDir: string;
  adminUrls: ReadonlyMap<string, Secret>;
  /** Where the rows of new sources are copied to; without it the connectors read them. */
  firstLoad?: Pick<LoadTools, 'warehouse' | 'kafka' | 'say' | 'onProgress'>;
  signal: AbortSignal;
}): Promise<void> {
  const { catalog, secretsDir, adminUrls, firstLoad, signal } = options;
  const secrets = catalog.sources.map(({ password }) => password);
  const client = createConnectClient(options.connectUrl, secrets);
  const live = await client.list(signal);
  const reports = await Promise.all(
    catalog.sources.map(async (source) => {
      await writeSourceSecrets(secretsDir, source.name, source.url);
      return prepareSource(source, adminUrls.get(source.name), {
        catalogPath: catalog.path,
        connectorExists: live.has(captureNames(source.name).connector),
      });
    }),
  );
  const bad = reports.filter((report) => errorsOf(report).length > 0);
  if (bad.length > 0) {
    throw new TributaryError(
      'PREFLIGHT_FAILED',
      bad.map((report) => describeReport(report)).join('\n'),
    );
  }
  const desired = await desiredConnectors(catalog);
  if (firstLoad !== undefined) {
    const sources = await sourcesToCopy(catalog.sources, reports, live);
    await loadSources(sources, reports, desired, {
      ...firstLoad,
      catalog,
      connect: client,
      signal,
    });
  }
  await applyConnectors({
    client,
    desired,
    deadlineMs: DEADLINE_MS,
    signal,
    secrets,
  });
}

/** Preflight, after making what is missing where the role at hand is allowed to. */
export async function prepareSource(
  source: Source,
  adminUrl: Secret | undefined,
  context: Parameters<typeof preflight>[1],
): ReturnType<typeof preflight> {
  if (adminUrl !== undefined) {
    await provision(adminUrl, source);
    return preflight(source, context);
  }
  const report = await preflight(source, context);
  if (errorsOf(report).length === 0 || !report.canProvision) return report;
  await provision(source.url, source);
  return preflight(source, context);
}
