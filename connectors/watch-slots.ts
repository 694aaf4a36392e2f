import { describeError } from '#runtime/errors.ts';
import { watchEach } from '#runtime/watch-each.ts';
import type { Source } from '../pipeline/catalog/catalog.ts';
import { slotHealth, type SlotHealth } from './slot-health.ts';
import { slotStatus, type SlotStatus } from './slot-status.ts';

/** One look at a source's slot. */
export type SlotLook =
  | { readonly slot: SlotStatus | undefined; readonly health: SlotHealth }
  /** The source's database could not be asked. */
  | { readonly unknown: string };

const INTERVAL_MS = 15_000;

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
  await watchEach(sources, { intervalMs: INTERVAL_MS, signal }, async (source) => {
    const look = await lookAt(source);
    if (!signal.aborted) onLook(source.name, look);
  });
}

async function lookAt(source: Source): Promise<SlotLook> {
  try {
    const slot = await slotStatus(source);
    return { slot, health: slotHealth(source.name, slot) };
  } catch (error) {
    return { unknown: describeError(error) };
  }
}
