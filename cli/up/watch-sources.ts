import { setMaxListeners } from 'node:events';
import type { Secret } from '#runtime/config.ts';
import { createConnectClient } from '../../connectors/connect-client.ts';
import { captureNames } from '../../connectors/connector-config.ts';
import { watchSlots } from '../../connectors/watch-slots.ts';
import { watchTasks, type TaskEvent } from '../../connectors/watch-tasks.ts';
import type { Catalog } from '../../pipeline/catalog/catalog.ts';
import { captureNewTables } from './capture-new-tables.ts';

/**
 * Keeps the sources flowing until `signal` aborts: failed connector tasks are restarted, tables that
 * the catalog has come to match are captured, and a slot whose state gets worse or better is told of.
 */
export async function watchSources(options: {
  catalog: Catalog;
  connectUrl: string;
  /** Databases of our own, by source, which are provisioned as their superuser. */
  adminUrls: ReadonlyMap<string, Secret>;
  say: (text: string) => void;
  signal: AbortSignal;
}): Promise<void> {
  const { catalog, connectUrl, adminUrls, say, signal } = options;
  // Each source has watchers that listen to it: together more than Node takes for a leak.
  setMaxListeners(0, signal);
  const secrets = catalog.sources.flatMap(({ url, password }) => [url, password]);
  const levels = new Map<string, string>();
  await Promise.all([
    watchTasks({
      client: createConnectClient(connectUrl, secrets),
      connectors: catalog.sources.map(({ name }) => captureNames(name).connector),
      secrets,
      onEvent: (event) => say(describeEvent(event)),
      signal,
    }),
    ...catalog.sources.map((source) =>
      captureNewTables({
        source,
        adminUrl: adminUrls.get(source.name),
        catalogPath: catalog.path,
        say,
        signal,
      }),
    ),
    watchSlots({
      sources: catalog.sources,
      onLook: (source, look) => {
        // That a database is away is told by the connector that reads it.
        if ('unknown' in look) return;
        const { level, what, fix } = look.health;
        const before = levels.get(source) ?? 'ok';
        levels.set(source, level);
        if (level === before) return;
        say(level === 'ok' ? `  ${source}: its slot is well again` : `! ${what}\n  → ${fix}`);
      },
      signal,
    }),
  ]);
}

function describeEvent(event: TaskEvent): string {
  if (event.kind === 'recovered') return `  ${event.connector}: runs again`;
  const { connector, attempt, reason, nextDelayMs } = event;
  return `! ${connector}: its task failed and was restarted (attempt ${attempt}, the next in ${nextDelayMs / 1000} s at the earliest): ${reason}`;
}
