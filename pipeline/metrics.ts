import { Counter, Gauge, Histogram, Registry } from 'prom-client';

/** Upper bounds of the end-to-end lag histogram, in seconds. */
const LAG_BUCKETS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];

/** The pipeline's metrics. `pipeline/docs/metrics.md` says how to read each. */
export interface PipelineMetrics {
  readonly registry: Registry;
  readonly storedRows: Counter<'source' | 'table'>;
  readonly redelivered: Counter<'topic'>;
  readonly deadLetters: Counter<'topic' | 'code'>;
  readonly endToEndLag: Histogram<'source'>;
  readonly haltedTables: Gauge<'topic'>;
  readonly consumerLag: Gauge<'topic' | 'partition'>;
  readonly slotRetained: Gauge<'source'>;
  readonly slotSafe: Gauge<'source'>;
  readonly slotActive: Gauge<'source'>;
}

/** Makes a registry of its own, so that two pipelines in one process do not meet in it. */
export function createPipelineMetrics(): PipelineMetrics {
  const registry = new Registry();
  const registers = [registry];
  return {
    registry,
    storedRows: new Counter({
      name: 'tributary_stored_rows_total',
      help: 'Changes that ClickHouse has acknowledged.',
      labelNames: ['source', 'table'],
      registers,
    }),
    redelivered: new Counter({
      name: 'tributary_redelivered_records_total',
      help: 'Records that came again although the warehouse held them already; left out.',
      labelNames: ['topic'],
      registers,
    }),
    deadLetters: new Counter({
      name: 'tributary_dead_letters_total',
      help: 'Records set aside because they can never be applied.',
      labelNames: ['topic', 'code'],
      registers,
    }),
    endToEndLag: new Histogram({
      name: 'tributary_end_to_end_lag_seconds',
      help: 'From commit at the source to acknowledged by ClickHouse, of streamed changes.',
      labelNames: ['source'],
      buckets: LAG_BUCKETS,
      registers,
    }),
    haltedTables: new Gauge({
      name: 'tributary_halted_tables',
      help: '1 for a topic whose table is halted until somebody mends the cause in the log.',
      labelNames: ['topic'],
      registers,
    }),
    consumerLag: new Gauge({
      name: 'tributary_consumer_lag_records',
      help: 'Records of the partition not yet handed over, as of the last batch.',
      labelNames: ['topic', 'partition'],
      registers,
    }),
    slotRetained: new Gauge({
      name: 'tributary_slot_retained_wal_bytes',
      help: 'WAL that the source keeps because of the replication slot.',
      labelNames: ['source'],
      registers,
    }),
    slotSafe: new Gauge({
      name: 'tributary_slot_safe_wal_bytes',
      help: 'WAL that may still be written before the slot is lost; absent without a bound.',
      labelNames: ['source'],
      registers,
    }),
    slotActive: new Gauge({
      name: 'tributary_slot_active',
      help: '1 while the connector reads the slot.',
      labelNames: ['source'],
      registers,
    }),
  };
}
