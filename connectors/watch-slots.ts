import { setTimeout as delay } from 'node:timers/promises';
import { describeError } from '#runtime/errors.ts';
import { forEachAtMost } from '#runtime/for-each-at-most.ts';
import type { Source } from '../pipeline/catalog/catalog.ts';
import { slotHealth, type SlotHealth } from './slot-health.ts';
import { slotStatus, type SlotStatus } from './slot-status.ts';

/** One look at a source's slot. */
export type SlotLook =
  | { readonly slot: SlotStatus | undefined; readonly health: SlotHealth }
  /** The source's database could not be asked. */
  | { readonly unknown: string };

const INTERVAL_MS = 15_000;
/** Sources that are looked at side by side. */
const SOURCES_AT_ONCE = 16;

/**
 * Looks at every source's slot again and again until `signal` aborts; a look that is under way then
 * is not waited for. Never throws.
 */
export async function watchSlots(options: {
  sources: readonly Source[];
  onLook: (source: string, look: SlotLook) => void;
  signal: AbortSignal;
}): Promise<void> {
  const { sources, onLook, signal } = options;
  const stopped = new Promise<void>((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
  while (!signal.aborted) {
    const round = forEachAtMost(
      SOURCES_AT_ONCE,
      sources,
      async (source) => {
        const look = await lookAt(source);
        if (!signal.aborted) onLook(source.name, look);
      },
      signal,
    );
    await Promise.race([round, stopped]);
    await delay(INTERVAL_MS, undefined, { signal }).catch(() => undefined);
  }
}

async function lookAt(source: Source): Promise<SlotLook> {
  try {
    const slot = await slotStatus(source);
    return { slot, health: slotHealth(source.name, slot) };
  } catch (error) {
    return { unknown: describeError(error) };
  }
}
