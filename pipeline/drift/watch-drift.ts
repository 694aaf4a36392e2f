import type { ClickHouseClient } from '@clickhouse/client';
import type { Logger } from '#runtime/log.ts';
import { retry, UNTIL_STOPPED } from '#runtime/retry.ts';
import type { Catalog } from '../catalog/catalog.ts';
import { Alerting } from './alerting.ts';
import { circumstances } from './circumstances.ts';
import type { DriftMetrics } from './metrics.ts';
import { runMonitor } from './monitor.ts';
import { RuleWatch } from './rule-watch.ts';
import type { CatchUpWith } from './settled-differences.ts';
import { createDriftStore } from './store.ts';

/**
 * Watches all rules of a catalog until told to stop. What an earlier process has left open goes on.
 *
 * @param catchUpWith - makes sure that the warehouse holds what its sources do
 */
export async function watchDrift(
  parts: {
    readonly catalog: Catalog;
    readonly warehouse: ClickHouseClient;
    readonly catchUpWith: CatchUpWith;
    readonly sweepEveryMs: number;
    readonly pauseMs: number;
    readonly metrics: DriftMetrics;
    readonly log: Logger;
  },
  signal: AbortSignal,
): Promise<void> {
  const { catalog, warehouse, catchUpWith, sweepEveryMs, pauseMs, metrics, log } = parts;
  const store = createDriftStore(warehouse);
  const rules = catalog.drift;
  const [findings, standing] = await retry(
    async () =>
      Promise.all([store.findings({ states: ['open', 'unconfirmed'] }), store.standingAlerts()]),
    { policy: UNTIL_STOPPED, signal, log, what: 'reading what was found before' },
  );
  const alerting = new Alerting({
    store,
    targets: catalog.alerts,
    circumstances: async (rule, at) => circumstances(warehouse, rule, at),
    log,
    standing,
  });
  await closeForgotten();
  const watches = rules.map(
    (rule) =>
      new RuleWatch(
        { catalog, warehouse, rule, catchUpWith },
        findings.filter((finding) => finding.rule === rule.name),
      ),
  );
  log.info({ rules: rules.length }, 'watching for drift');
  await runMonitor({ watches, sweepEveryMs, pauseMs, store, alerting, metrics, log }, signal);

  /** What belongs to rules that are no more would stay open for ever. */
  async function closeForgotten(): Promise<void> {
    const names = new Set(rules.map(({ name }) => name));
    const now = Date.now();
    const note = 'the rule was removed';
    const gone = findings
      .filter(({ rule }) => !names.has(rule))
      .map((finding) => ({ ...finding, state: 'healed' as const, note, healedAt: now }));
    await store.writeFindings(gone);
    await Promise.all(
      standing
        .filter(({ rule }) => !names.has(rule))
        .map(async (alert) => store.writeAlert(alert, now)),
    );
  }
}
