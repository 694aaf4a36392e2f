import { setTimeout as delay } from 'node:timers/promises';
import type { ClickHouseClient } from '@clickhouse/client';
import { describeError, isAbort } from '#runtime/errors.ts';
import type { Logger } from '#runtime/log.ts';
import { applyMarts, type AppliedMarts } from './apply-marts.ts';
import { readMartFiles } from './mart-files.ts';

const INTERVAL_MS = 2_000;

/**
 * Keeps the marts as their tables need them until `signal` aborts. Marts of sources that the
 * catalog does not have are none of its business: without the shop there is nothing to do.
 *
 * @param sources - names of the catalog's sources
 * @throws what reading the files throws; a warehouse that is away is tried again
 */
export async function watchMarts(options: {
  client: ClickHouseClient;
  sources: readonly string[];
  log: Logger;
  signal: AbortSignal;
}): Promise<void> {
  const { client, log, signal } = options;
  const known = new Set(options.sources);
  const marts = (await readMartFiles()).filter(({ needs }) =>
    needs.every((table) => known.has(table.split('.')[0] ?? '')),
  );
  const applied: AppliedMarts = new Map();
  while (marts.length > 0 && !signal.aborted) {
    try {
      await applyMarts(client, marts, { applied, log });
    } catch (error) {
      log.debug({ reason: describeError(error) }, 'marts will be looked at again');
    }
    try {
      await delay(INTERVAL_MS, undefined, { signal });
    } catch (error) {
      if (!isAbort(error)) throw error;
    }
  }
}
