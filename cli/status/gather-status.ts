import type { Kafka } from '../../pipeline/source/kafka-client.ts';
import { describeError } from '#runtime/errors.ts';
import { stateOf } from '../../connectors/apply.ts';
import type { ConnectClient } from '../../connectors/connect-client.ts';
import { captureNames } from '../../connectors/connector-config.ts';
import { slotStatus, type SlotStatus } from '../../connectors/slot-status.ts';
import type { Warehouse } from '../../pipeline/sink/clickhouse-client.ts';
import type { Catalog } from '../../pipeline/catalog/catalog.ts';
import { countOpenLetters } from '../../pipeline/sink/clickhouse-dead-letters.ts';
import { readFreshness, type SourceFreshness } from '../../pipeline/sink/warehouse-status.ts';
import { waitingTopics } from '../../pipeline/resync/ledger.ts';
import { consumerLag } from '../../pipeline/source/consumer-lag.ts';
import { isTableTopic } from '../../pipeline/source/table-topic.ts';

/** A value, or why it could not be had. */
export type Known<T> = { readonly value: T } | { readonly unknown: string };

/** How one source stands, part by part: one part that does not answer hides no other. */
export interface SourceStatus {
  readonly source: string;
  /** State of the connector's task, as Kafka Connect names it. */
  readonly connector: Known<string>;
  /** Undefined value: there is no slot. */
  readonly slot: Known<SlotStatus | undefined>;
  /** Records in the source's topics that the pipeline has not committed. */
  readonly consumerLagRecords: Known<string>;
  readonly warehouse: Known<SourceFreshness>;
  /** Topics of tables that wait for a resync. */
  readonly waiting: Known<readonly string[]>;
  /** Records that were set aside and that nobody has dealt with yet. */
  readonly openDeadLetters: Known<number>;
}

/** Asks every part of the system how the sources stand. Never throws for a part that is away. */
export async function gatherStatus(parts: {
  catalog: Catalog;
  connect: ConnectClient;
  kafka: Kafka;
  groupId: string;
  warehouse: Warehouse;
  signal: AbortSignal;
}): Promise<SourceStatus[]> {
  const { catalog, signal } = parts;
  const names = catalog.sources.map(({ name }) => name);
  const prefixes = new Set(names);
  const [connectors, lags, freshness, letters, waiting] = await Promise.all([
    known(() => parts.connect.list(signal)),
    known(() => consumerLag(parts.kafka, parts.groupId, (topic) => isTableTopic(topic, prefixes))),
    known(() => readFreshness(parts.warehouse, names)),
    known(() => countOpenLetters(parts.warehouse)),
    known(() => waitingTopics(parts.warehouse)),
  ]);
  return Promise.all(
    catalog.sources.map(async (source): Promise<SourceStatus> => ({
      source: source.name,
      connector: map(connectors, (live) =>
        stateOf(live.get(captureNames(source.name).connector)?.status),
      ),
      slot: await known(() => slotStatus(source)),
      consumerLagRecords: map(lags, (topics) =>
        topics
          .filter(({ topic }) => topic.startsWith(`${source.name}.`))
          .reduce((sum, { records }) => sum + records, 0n)
          .toString(),
      ),
      warehouse: map(
        freshness,
        (all) =>
          all.get(source.name) ?? {
            source: source.name,
            tables: 0,
            rows: 0n,
            changesPerSecond: 0,
            lagP50Ms: undefined,
            lagP99Ms: undefined,
          },
      ),
      waiting: map(waiting, (topics) =>
        topics.filter((topic) => topic.startsWith(`${source.name}.`)),
      ),
      openDeadLetters: map(letters, (byTopic) =>
        [...byTopic]
          .filter(([topic]) => topic.startsWith(`${source.name}.`))
          .reduce((sum, [, count]) => sum + count, 0),
      ),
    })),
  );
}

/** The value that `ask` brings, or why it does not. */
export async function known<T>(ask: () => Promise<T>): Promise<Known<T>> {
  try {
    return { value: await ask() };
  } catch (error) {
    return { unknown: describeError(error).split('\n')[0] ?? 'unknown' };
  }
}

function map<T, U>(known: Known<T>, change: (value: T) => U): Known<U> {
  return 'value' in known ? { value: change(known.value) } : known;
}
