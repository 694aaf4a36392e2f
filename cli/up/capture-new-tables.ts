import { setTimeout as delay } from 'node:timers/promises';
import type { Secret } from '#runtime/config.ts';
import { describeReport } from '../../connectors/describe.ts';
import { errorsOf, preflight } from '../../connectors/preflight.ts';
import type { Source } from '../../pipeline/catalog/catalog.ts';
import { prepareSource } from './connect-sources.ts';

const INTERVAL_MS = 10_000;

/**
 * Looks again and again, until `signal` aborts, whether the source has tables that the catalog has
 * come to match. Publishes them where the role at hand may; else says what it takes, once. Never
 * throws.
 *
 * @param adminUrl - a database of our own, as its superuser
 */
export async function captureNewTables(options: {
  source: Source;
  adminUrl: Secret | undefined;
  catalogPath: string;
  say: (text: string) => void;
  signal: AbortSignal;
}): Promise<void> {
  const { source, adminUrl, catalogPath, say, signal } = options;
  const context = { catalogPath, connectorExists: true };
  let told = '';
  for (;;) {
    await delay(INTERVAL_MS, undefined, { signal }).catch(() => undefined);
    if (signal.aborted) return;
    try {
      const lacking = errorsOf(await preflight(source, context)).filter(
        ({ id }) => id === 'publication-lacks-table',
      );
      if (lacking.length === 0) continue;
      const report = await prepareSource(source, adminUrl, context);
      const open = new Set(errorsOf(report).map(({ what }) => what));
      for (const { what } of lacking) {
        if (!open.has(what)) say(`  ${source.name}: ${what}: it does now`);
      }
      const text = open.size === 0 ? '' : describeReport(report);
      if (text !== '' && text !== told) say(`! ${text}`);
      told = text;
    } catch {
      // That a database is away is told by the connector that reads it.
    }
  }
}
