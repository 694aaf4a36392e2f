import { Counter, Gauge, Histogram, Registry } from 'prom-client';

/** Upper bounds of how long a round takes, in seconds. */
const ROUND_BUCKETS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** The drift monitor's metrics. `pipeline/docs/metrics.md` says how to read each. */
export interface DriftMetrics {
  readonly registry: Registry;
  readonly copies: Gauge<'rule'>;
  readonly open: Gauge<'rule' | 'kind'>;
  readonly share: Gauge<'rule'>;
  readonly oldest: Gauge<'rule'>;
  readonly unconfirmed: Gauge<'rule'>;
  readonly rounds: Counter<'rule' | 'result'>;
  readonly duration: Histogram<'rule' | 'kind'>;
  readonly lastRound: Gauge<'rule'>;
}

/** Makes a registry of its own. */
export function createDriftMetrics(): DriftMetrics {
  const registry = new Registry();
  const registers = [registry];
  const labelNames = ['rule'] as const;
  return {
    registry,
    copies: new Gauge({
      name: 'tributary_drift_copies',
      help: 'Copies that a rule is about, as of the last sweep.',
      labelNames,
      registers,
    }),
    open: new Gauge({
      name: 'tributary_drift_open_findings',
      help: 'Fields of copies that differ from their owners at the sources, by what is known of why.',
      labelNames: ['rule', 'kind'],
      registers,
    }),
    share: new Gauge({
      name: 'tributary_drift_share',
      help: 'Share of the copies that drifted, 0 to 1.',
      labelNames,
      registers,
    }),
    oldest: new Gauge({
      name: 'tributary_drift_oldest_finding_timestamp_seconds',
      help: 'When the oldest open finding was found; not there without one.',
      labelNames,
      registers,
    }),
    unconfirmed: new Gauge({
      name: 'tributary_drift_unconfirmed_findings',
      help: 'Findings that cannot be confirmed because a source does not answer.',
      labelNames,
      registers,
    }),
    rounds: new Counter({
      name: 'tributary_drift_rounds_total',
      help: 'Rounds of the monitor, by result: done or failed.',
      labelNames: ['rule', 'result'],
      registers,
    }),
    duration: new Histogram({
      name: 'tributary_drift_round_duration_seconds',
      help: 'How long a round took, by kind: sweep or changes.',
      labelNames: ['rule', 'kind'],
      buckets: ROUND_BUCKETS,
      registers,
    }),
    lastRound: new Gauge({
      name: 'tributary_drift_last_round_timestamp_seconds',
      help: 'When a rule was last looked at with success.',
      labelNames,
      registers,
    }),
  };
}
