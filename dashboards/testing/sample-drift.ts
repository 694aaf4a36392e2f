import type { Warehouse } from '../../pipeline/sink/clickhouse-client.ts';
import { createDriftStore } from '../../pipeline/drift/store.ts';
import type { Finding } from '../../pipeline/drift/finding.ts';
import { KINDS } from '../../pipeline/drift/classify.ts';

const MINUTE = 60_000;
const RULES = { buyers: 1_250, 'order-buyers': 18_400, 'payment-amounts': 17_900 };

/** Three rules that were looked at every minute of the last five hours, and never found anything. */
export async function fillQuietRounds(client: Warehouse, now: number): Promise<void> {
  const rounds = Array.from({ length: 300 }, (_, index) => now - index * MINUTE);
  await createDriftStore(client).writeRounds(
    Object.entries(RULES).flatMap(([rule, copies]) =>
      rounds.map((lookedAt, index) => ({
        rule,
        kind: index % 10 === 0 ? ('sweep' as const) : ('changes' as const),
        lookedAt,
        copies: copies - index,
        candidates: 0,
        opened: 0,
        healed: 0,
        open: 0,
        unconfirmed: 0,
        inFlight: 0,
        waiting: 0,
        oldestAt: undefined,
        tookMs: 12,
        problem: '',
      })),
    ),
  );
}

/** What they find when a consumer misses events for a while: some of it is mended, some is not. */
export async function fillFindings(client: Warehouse, now: number): Promise<{ open: number }> {
  const store = createDriftStore(client);
  const finding = (number: number, more: Partial<Finding>): Finding => ({
    rule: 'buyers',
    copyKey: JSON.stringify([`aaaaaaaa-0000-4000-8000-${String(number).padStart(12, '0')}`]),
    field: number % 3 === 0 ? 'email' : 'name',
    openedAt: now - 90 * MINUTE + number * 2_000,
    state: 'open',
    kind: 'missed update',
    ownerKey: JSON.stringify([`aaaaaaaa-0000-4000-8000-${String(number).padStart(12, '0')}`]),
    ownerFingerprint: (number * 7_919).toString(16).padStart(8, '0'),
    copyFingerprint: (number * 104_729).toString(16).padStart(8, '0'),
    ownerChangedAt: now - 92 * MINUTE,
    copyChangedAt: now - 300 * MINUTE,
    missedAt: now - 92 * MINUTE,
    missedEvent: `0192f000-0000-7000-8000-${String(number).padStart(12, '0')} user.changed`,
    note: '',
    seenAt: now - MINUTE,
    healedAt: undefined,
    ...more,
  });
  const findings = [
    ...Array.from({ length: 9 }, (_, index) => finding(index, {})),
    ...Array.from({ length: 24 }, (_, index) =>
      finding(100 + index, { state: 'healed', healedAt: now - 40 * MINUTE }),
    ),
    ...KINDS.map((kind, index) =>
      finding(200 + index, { rule: 'order-buyers', kind, field: 'user_name' }),
    ),
    finding(300, { state: 'unconfirmed', note: 'users does not answer' }),
  ];
  await store.writeFindings(findings);
  const alert = {
    rule: 'buyers',
    raisedAt: now - 89 * MINUTE,
    summary: 'buyers: 33 findings in 1250 copies (2.6%); 33 missed update',
    circumstances: ['orders: marker "deployed 1.4.2"'],
  };
  await store.writeAlert(alert, undefined);
  const earlier = { ...alert, raisedAt: now - 280 * MINUTE, circumstances: [] };
  await store.writeAlert(earlier, now - 270 * MINUTE);
  const ask = (number: number, outcome: 'healed' | 'not healed') => ({
    rule: 'buyers',
    askedAt: now - 40 * MINUTE - number,
    ownerKey: finding(number, {}).ownerKey,
    copyKeys: [finding(number, {}).copyKey],
    askedBy: 'ada',
    outcome,
    detail: outcome === 'healed' ? '' : 'the copies still differ after 30 s',
  });
  await store.writeRepairs([ask(100, 'healed'), ask(1, 'not healed')]);
  return { open: findings.filter(({ state }) => state === 'open').length };
}
