import { expect, test } from 'vitest';
import { slotHealth } from './slot-health.ts';
import type { SlotStatus } from './slot-status.ts';

const GB = 1024 ** 3;

function health(slot: Partial<SlotStatus>) {
  return slotHealth('erp', {
    active: true,
    walStatus: 'reserved',
    retainedBytes: 0,
    safeBytes: 2 * GB,
    lagBytes: 0,
    ...slot,
  });
}

test('a slot is well until it keeps half of what it may', () => {
  expect(health({ retainedBytes: 0.9 * GB, safeBytes: 1.1 * GB }).level).toBe('ok');
  const warned = health({ walStatus: 'extended', retainedBytes: 1.2 * GB, safeBytes: 0.8 * GB });
  expect(warned).toMatchObject({ level: 'warning' });
  expect(warned.what).toContain('tributary_erp keeps 1.2 of the 2.0 GB');
  expect(warned.fix).toContain("max_slot_wal_keep_size = '10GB'");
});

test('without a bound a gigabyte is worth a warning', () => {
  expect(health({ safeBytes: null, retainedBytes: 0.9 * GB }).level).toBe('ok');
  const warned = health({ safeBytes: null, retainedBytes: 30 * GB, active: false });
  expect(warned).toMatchObject({ level: 'warning' });
  expect(warned.fix).toContain("max_slot_wal_keep_size = '60GB'");
  expect(warned.fix).toContain('Nobody reads it');
});

test('one that is about to be lost, lost or not there is critical, each with its own way out', () => {
  const fixes = [
    health({ walStatus: 'unreserved', retainedBytes: 3 * GB, safeBytes: -1 }),
    health({ walStatus: 'lost', safeBytes: null }),
    slotHealth('erp', undefined),
  ].map(({ level, fix }) => {
    expect(level).toBe('critical');
    return fix;
  });
  expect(fixes[0]).toContain('ALTER SYSTEM');
  expect(fixes[1]).toContain('"A lost slot"');
  expect(fixes[2]).toContain('connectors apply');
});
