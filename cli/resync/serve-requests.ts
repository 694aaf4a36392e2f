import { setTimeout as delay } from 'node:timers/promises';
import { describeError, isAbort } from '#runtime/errors.ts';
import { findSource, type Catalog } from '../../pipeline/catalog/catalog.ts';
import { openRequests } from '../../pipeline/resync/request-resync.ts';
import { tableLabel } from '../../pipeline/operations/named-tables.ts';
import { describeResync } from './describe-resync.ts';
import { resyncOne, type ResyncTools } from '../../pipeline/operations/resync-tables.ts';

const INTERVAL_MS = 5_000;
/** What failed is tried again after so long, and each time after twice as long. */
const FIRST_PAUSE_MS = 60_000;
const LONGEST_PAUSE_MS = 3_600_000;

/**
 * Does the resyncs that were asked for, one after the other, until `signal` aborts. One that fails is
 * told of and tried again later. Never throws.
 */
export async function serveRequests(
  catalog: Catalog,
  tools: ResyncTools,
  say: (text: string) => void,
): Promise<void> {
  const { signal, warehouse } = tools;
  const pauses = new Map<string, { until: number; ms: number }>();
  let lastReason = '';
  while (!signal.aborted) {
    try {
      for (const request of await openRequests(warehouse)) {
        const source = findSource(catalog, request.source);
        const label = tableLabel(request);
        const pause = pauses.get(label);
        if (source === undefined || (pause !== undefined && Date.now() < pause.until)) continue;
        say(`  ${label}: loading anew: ${request.reason}`);
        const began = performance.now();
        try {
          const result = await resyncOne(source, request, request.reason, tools);
          say(describeResync(label, result, performance.now() - began));
          pauses.delete(label);
        } catch (error) {
          signal.throwIfAborted();
          const ms = Math.min((pause?.ms ?? FIRST_PAUSE_MS / 2) * 2, LONGEST_PAUSE_MS);
          pauses.set(label, { until: Date.now() + ms, ms });
          say(`! ${label}: not loaded anew, next try in ${ms / 1_000} s: ${describeError(error)}`);
        }
      }
      await delay(INTERVAL_MS, undefined, { signal });
    } catch (error) {
      if (isAbort(error)) continue;
      // A warehouse that is away comes back; until then it is told of once.
      const reason = describeError(error);
      if (reason !== lastReason) say(`! requests for resyncs cannot be read: ${reason}`);
      lastReason = reason;
      await delay(INTERVAL_MS, undefined, { signal }).catch(() => undefined);
    }
  }
}
