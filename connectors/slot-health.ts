import { captureNames } from './connector-config.ts';
import type { SlotStatus } from './slot-status.ts';

/** How well a source's slot is, and what to do about it. */
export interface SlotHealth {
  readonly level: 'ok' | 'warning' | 'critical';
  /** What is the matter; empty when all is well. */
  readonly what: string;
  /** What to do about it; empty when all is well. */
  readonly fix: string;
}

/** Share of the WAL that a slot may keep from which it is worth a warning. */
const WARN_SHARE = 0.5;
/** Bytes kept by a slot without bound from which it is worth a warning. */
const WARN_BYTES = 1024 ** 3;

const OK: SlotHealth = { level: 'ok', what: '', fix: '' };

/**
 * Judges a slot. Postgres keeps WAL for a slot until its reader has confirmed it, or until
 * `max_slot_wal_keep_size` is reached: then the slot is lost, and with it the changes.
 *
 * @param slot - undefined when there is none
 */
export function slotHealth(source: string, slot: SlotStatus | undefined): SlotHealth {
  const name = captureNames(source).slot;
  if (slot === undefined) {
    return {
      level: 'critical',
      what: `there is no replication slot ${name}`,
      fix: 'Make it: tributary connectors apply. If it was there before: pipeline/docs/operations.md, "A lost slot".',
    };
  }
  const { walStatus, retainedBytes, safeBytes, active } = slot;
  if (walStatus === 'lost') {
    return {
      level: 'critical',
      what: `the replication slot ${name} is lost: changes are gone from the source's log`,
      fix: 'Load the source again: pipeline/docs/operations.md, "A lost slot".',
    };
  }
  const raise = `ALTER SYSTEM SET max_slot_wal_keep_size = '${suggestedGigabytes(slot)}GB'; SELECT pg_reload_conf();`;
  const reader = active ? '' : ' Nobody reads it: tributary connectors status.';
  if (walStatus === 'unreserved') {
    return {
      level: 'critical',
      what: `the replication slot ${name} is over its bound: the next checkpoint may remove what it needs`,
      fix: `Raise the bound now: ${raise}${reader}`,
    };
  }
  if (safeBytes === null) {
    if (retainedBytes < WARN_BYTES) return OK;
    return {
      level: 'warning',
      what: `the replication slot ${name} keeps ${gigabytes(retainedBytes)} GB of WAL, without bound`,
      fix: `Bound it, or the disk fills up: ${raise}${reader}`,
    };
  }
  if (retainedBytes < WARN_SHARE * (retainedBytes + safeBytes)) return OK;
  return {
    level: 'warning',
    what: `the replication slot ${name} keeps ${gigabytes(retainedBytes)} of the ${gigabytes(retainedBytes + safeBytes)} GB of WAL it may`,
    fix: `If the disk has room, raise the bound: ${raise}${reader}`,
  };
}

/** Twice what it keeps or may keep now, in whole gigabytes, 10 at least. */
function suggestedGigabytes({ retainedBytes, safeBytes }: SlotStatus): number {
  return Math.max(10, Math.ceil((2 * (retainedBytes + Math.max(0, safeBytes ?? 0))) / 1024 ** 3));
}

function gigabytes(bytes: number): string {
  return (bytes / 1024 ** 3).toFixed(bytes < 1024 ** 3 ? 2 : 1);
}
