import { setTimeout as delay } from 'node:timers/promises';
import { describeError, isAbort } from '#runtime/errors.ts';
import type { Source } from '../pipeline/catalog/catalog.ts';
import { slotHealth, type SlotHealth } from './slot-health.ts';
import { slotStatus, type SlotStatus } from './slot-status.ts';

/** One look at a source's slot. */
export type SlotLook =
  | { readonly slot: SlotStatus | undefined; readonly health: SlotHealth }
  /** The source's database could not be asked. */
  | { readonly unknown: string };

const INTERVAL_MS = 15_000;

/** Looks at every source's slot again and again until `signal` aborts. Never throws. */
export async function watchSlots(options: {
  sources: readonly Source[];
  onLook: (source: string, look: SlotLook) => void;
  signal: AbortSignal;
}): Promise<void> {
  const { sources, onLook, signal } = options;
  while (!signal.aborted) {
    await Promise.all(
      sources.map(async (source) => {
        try {
          const slot = await slotStatus(source);
          onLook(source.name, { slot, health: slotHealth(source.name, slot) });
        } catch (error) {
          onLook(source.name, { unknown: describeError(error) });
        }
      }),
    );
    try {
      await delay(INTERVAL_MS, undefined, { signal });
    } catch (error) {
      if (!isAbort(error)) throw error;
    }
  }
}
