import { withDatabase } from '../../connectors/source-connection.ts';
import type { Catalog, Source } from '../catalog/catalog.ts';
import { isCaptured, type TableName } from '../catalog/table-pattern.ts';
import { createLedger } from '../resync/ledger.ts';
import type { Turn } from '../resync/turn.ts';
import { resyncTable, type ResyncResult } from '../resync/resync-table.ts';
import { createClickHouseSink } from '../sink/clickhouse-sink.ts';
import type { Warehouse } from '../sink/clickhouse-client.ts';
import { tableTopic } from '../source/table-topic.ts';
import { waitUntilConsumed } from '../source/group-progress.ts';
import type { Kafka } from '../source/kafka-client.ts';
import { endOffsets, sendMarkers } from '../source/resync-markers.ts';
import { listTables } from '../verify/table-shape.ts';
import { tooLate, waitForSlot } from '../verify/catch-up.ts';

/** What a resync works with. */
export interface ResyncTools {
  readonly warehouse: Warehouse;
  readonly kafka: Kafka;
  readonly groupId: string;
  /** How long the warehouse may take to catch up with the copy, in milliseconds. */
  readonly deadlineMs: number;
  readonly turn: Turn;
  readonly signal: AbortSignal;
}

/** Captured tables, in the order of the catalog and their names. */
export async function capturedTables(
  catalog: Catalog,
  isWantedSource: (source: Source) => boolean,
): Promise<{ source: Source; table: TableName }[]> {
  const found: { source: Source; table: TableName }[] = [];
  for (const source of catalog.sources.filter(isWantedSource)) {
    const tables = await withDatabase(source.name, source.url, listTables);
    for (const table of tables) {
      if (isCaptured(source, table)) found.push({ source, table });
    }
  }
  return found;
}

/**
 * Loads one table anew.
 *
 * @throws TributaryError, see `resyncTable`
 */
export async function resyncOne(
  source: Source,
  { schema, table }: TableName,
  reason: string,
  tools: ResyncTools,
): Promise<ResyncResult> {
  const { warehouse, kafka, groupId, deadlineMs, turn, signal } = tools;
  const topic = tableTopic(source.name, schema, table);
  return withDatabase(source.name, source.url, async (database) =>
    resyncTable(
      { source, schema, table, topic, reason },
      {
        warehouse,
        sink: createClickHouseSink(warehouse),
        ledger: createLedger(warehouse),
        database,
        endOffsets: () => endOffsets(kafka, topic),
        sendMarkers: (epoch) => sendMarkers(kafka, topic, epoch),
        catchUp: async (lsn) => {
          const deadline = Date.now() + deadlineMs;
          await waitForSlot(source, database, lsn, { deadline, signal });
          const ends = await endOffsets(kafka, topic);
          const behind = await waitUntilConsumed(kafka, groupId, {
            isWanted: (other) => other === topic,
            deadline,
            signal,
          });
          if (behind > 0n) throw tooLate(source, `${behind} records of ${topic} are missing`);
          return ends;
        },
        turn,
        signal,
      },
    ),
  );
}

/** What a resync found. */
export function resyncOutcome({ read, written, removed }: ResyncResult): string {
  const count = (rows: number) => rows.toLocaleString('en-US');
  const corrected =
    written + removed === 0
      ? 'all were right'
      : `${count(written)} put right, ${count(removed)} removed`;
  return `${count(read)} rows, ${corrected}`;
}
