import { createLogger } from '#runtime/log.ts';
import type { ConnectClient } from '../../connectors/connect-client.ts';
import { captureNames, type ConnectorConfig } from '../../connectors/connector-config.ts';
import type { PreflightReport } from '../../connectors/preflight.ts';
import { startBehindCopy } from '../../connectors/start-behind-copy.ts';
import type { Catalog, Source } from '../../pipeline/catalog/catalog.ts';
import type { TableName } from '../../pipeline/catalog/table-pattern.ts';
import { parseLsn } from '../../pipeline/change/lsn.ts';
import { createColumnNames } from '../../pipeline/evolution/column-names.ts';
import {
  firstLoad,
  markStreaming,
  type LoadOutcome,
} from '../../pipeline/first-load/first-load.ts';
import { createLoadLedger } from '../../pipeline/first-load/load-ledger.ts';
import type { LoadProgress } from '../../pipeline/first-load/progress.ts';
import { createLedger } from '../../pipeline/resync/ledger.ts';
import { sinkError } from '../../pipeline/sink/clickhouse-error.ts';
import { createClickHouseSink } from '../../pipeline/sink/clickhouse-sink.ts';
import type { Warehouse } from '../../pipeline/sink/clickhouse-client.ts';
import type { Kafka } from '../../pipeline/source/kafka-client.ts';
import { endOffsets } from '../../pipeline/source/resync-markers.ts';
import { tableTopic } from '../../pipeline/source/table-topic.ts';
import { migrate } from '../../warehouse/migrate.ts';

/** What first loads work with. */
export interface LoadTools {
  readonly catalog: Catalog;
  readonly connect: ConnectClient;
  readonly warehouse: Warehouse;
  readonly kafka: Kafka;
  readonly signal: AbortSignal;
  readonly say: (text: string) => void;
  readonly onProgress: (progress: LoadProgress) => void;
}

/**
 * Copies the rows of those sources that are new, one source after the other, and starts
 * their connectors behind the copy. What is left to a connector's own snapshot is said with the
 * reason.
 *
 * @param sources - those that {@link sourcesToCopy} names
 * @param reports - of preflight, without errors
 * @param desired - connectors as they should be
 * @throws TributaryError, see `firstLoad` and `startBehindCopy`
 */
export async function loadSources(
  sources: readonly Source[],
  reports: readonly PreflightReport[],
  desired: readonly ConnectorConfig[],
  tools: LoadTools,
): Promise<void> {
  const { connect, warehouse, say, signal } = tools;
  if (sources.length === 0) return;
  const log = createLogger('first-load', 'silent');
  // The pipeline may not have run yet.
  await migrate(warehouse, { log, signal }).catch((error: unknown) => {
    throw sinkError(error, 'migrating the warehouse');
  });
  for (const source of sources) {
    const names = captureNames(source.name);
    const connector = desired.find(({ name }) => name === names.connector);
    const report = reports.find((other) => other.source === source.name);
    if (connector === undefined || report === undefined) continue;
    const outcome = await load(source, report, tools);
    if (outcome.kind === 'snapshot') {
      say(`  ${source.name}: its rows are left to Debezium's snapshot: ${outcome.reason}`);
    }
    if (outcome.kind !== 'copied') continue;
    await startBehindCopy(connect, connector, parseLsn(outcome.slotLsn), signal);
    await markStreaming(source.name, createLoadLedger(warehouse));
    say(describeLoad(source.name, outcome));
  }
}

async function load(
  source: Source,
  report: PreflightReport,
  { catalog, connect, warehouse, kafka, signal, onProgress }: LoadTools,
): Promise<LoadOutcome> {
  const { connector, slot, publication } = captureNames(source.name);
  return firstLoad(
    {
      source,
      slot,
      publication,
      tables: report.tables,
      outbox: report.outbox,
      topicOf: ({ schema, table }: TableName) => tableTopic(source.name, schema, table),
      connectorExists: (await connect.list(signal)).has(connector),
    },
    {
      warehouse,
      sink: createClickHouseSink(warehouse),
      columnNames: createColumnNames(warehouse, catalog, createLogger('first-load', 'silent')),
      loads: createLoadLedger(warehouse),
      resyncs: createLedger(warehouse),
      endOffsets: (topic) => endOffsets(kafka, topic),
      signal,
      onProgress,
    },
  );
}

function describeLoad(
  source: string,
  { tables, tookMs }: Extract<LoadOutcome, { kind: 'copied' }>,
): string {
  const rows = tables.reduce((sum, { rowsCopied }) => sum + rowsCopied, 0);
  const time = tookMs === 0 ? 'before' : `in ${(tookMs / 1_000).toFixed(1)} s`;
  return `  ${source}: ${rows.toLocaleString('en-US')} rows of ${tables.length} tables copied ${time}`;
}
