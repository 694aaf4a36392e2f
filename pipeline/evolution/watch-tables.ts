import type { ClickHouseClient } from '@clickhouse/client';
import { describeError } from '#runtime/errors.ts';
import type { Logger } from '#runtime/log.ts';
import { watchEach } from '#runtime/watch-each.ts';
import { requestResync } from '../resync/request-resync.ts';
import { recordSchemaChange } from '../sink/schema-history.ts';
import type { SourceTables } from './table-facts.ts';
import { knownTables, rememberTables } from './table-memory.ts';
import { reviewTables } from './table-news.ts';

const INTERVAL_MS = 5_000;

/**
 * Looks at every source's tables again and again until `signal` aborts. What happened to them that no
 * change event tells of is written to `ops.schema_history`, and where rows may differ a resync is
 * asked for. Several processes may do so at once: they say the same twice. Never throws.
 *
 * @param look - reads the tables of a source; undefined while nothing captures them
 */
export async function watchTables(options: {
  sources: readonly string[];
  look: (source: string) => Promise<SourceTables | undefined>;
  client: ClickHouseClient;
  log: Logger;
  signal: AbortSignal;
}): Promise<void> {
  const { sources, look, client, log, signal } = options;
  const failing = new Map<string, string>();
  // What was reviewed last, by source: the warehouse is asked again only when something is otherwise.
  const reviewed = new Map<string, string>();
  await watchEach(sources, { intervalMs: INTERVAL_MS, signal }, async (source) => {
    try {
      const now = await look(source);
      failing.delete(source);
      if (now === undefined) return;
      const facts = JSON.stringify([now.published, [...now.existing]]);
      if (reviewed.get(source) === facts) return;
      await review(source, now, client, log);
      reviewed.set(source, facts);
    } catch (error) {
      const reason = describeError(error);
      if (signal.aborted || failing.get(source) === reason) return;
      failing.set(source, reason);
      log.warn({ source, reason }, 'tables of a source cannot be looked at');
    }
  });
}

async function review(
  source: string,
  now: SourceTables,
  client: ClickHouseClient,
  log: Logger,
): Promise<void> {
  const { news, learned } = reviewTables(await knownTables(client, source), now);
  for (const { schema, table, change, needsResync } of news) {
    log.warn({ source, table: `${schema}.${table}` }, change);
    if (needsResync) await requestResync(client, { source, schema, table, reason: change });
    await recordSchemaChange(
      client,
      { source, schema, table, schemaId: 0 },
      change,
      needsResync ? 'resync requested' : 'none needed',
    );
  }
  // Last: what was not told because of a crash is told again.
  await rememberTables(client, source, learned);
}
