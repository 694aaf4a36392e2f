import { hostname } from 'node:os';
import { z } from 'zod';
import { commaList, loadConfig, port, secret, Secret } from '#runtime/config.ts';
import { armFailpoint, failpoint } from '#runtime/failpoint.ts';
import { runProcess } from '#runtime/lifecycle.ts';
import { createLogger, LOG_LEVELS } from '#runtime/log.ts';
import { serveMetrics } from '#runtime/metrics.ts';
import { remembered } from '#runtime/remembered.ts';
import { retry, UNTIL_STOPPED } from '#runtime/retry.ts';
import { stateOf } from '../../connectors/apply.ts';
import { createConnectClient, type ConnectClient } from '../../connectors/connect-client.ts';
import { captureNames } from '../../connectors/connector-config.ts';
import { withDatabase } from '../../connectors/source-connection.ts';
import { watchSlots, type SlotLook } from '../../connectors/watch-slots.ts';
import { watchMarts } from '../../warehouse/marts/watch-marts.ts';
import { migrate } from '../../warehouse/migrate.ts';
import { createRegistryClient } from '../avro/registry-client.ts';
import { findSource } from '../catalog/catalog.ts';
import { loadCatalog } from '../catalog/load-catalog.ts';
import { createPipelineMetrics, type PipelineMetrics } from '../metrics.ts';
import { createLedger } from '../resync/ledger.ts';
import { carryComments, readViewComments } from '../evolution/carry-comments.ts';
import { createColumnNames } from '../evolution/column-names.ts';
import { readTables } from '../evolution/table-facts.ts';
import { watchTables } from '../evolution/watch-tables.ts';
import { connectWarehouse } from '../sink/clickhouse-client.ts';
import { recordDeadLetter } from '../sink/clickhouse-dead-letters.ts';
import { sinkError } from '../sink/clickhouse-error.ts';
import { createClickHouseSink } from '../sink/clickhouse-sink.ts';
import { guardAgainstFlood } from '../sink/flood-guard.ts';
import { FreshnessRecorder } from '../sink/freshness-recorder.ts';
import { SourceLookRecorder, type LookedUp } from '../sink/source-look-recorder.ts';
import { withholdMasked } from '../sink/withhold-masked.ts';
import { mayHoldMasked } from '../source/masked-topic.ts';
import { isTableTopic } from '../source/table-topic.ts';
import { consumerLag } from '../source/consumer-lag.ts';
import { createKafka, type Kafka } from '../source/kafka-client.ts';
import { createKafkaDeadLetters } from '../source/kafka-dead-letters.ts';
import { createKafkaSource } from '../source/kafka-source.ts';
import { Transformer } from '../transformer.ts';

const configSchema = z.object({
  tributaryConfig: z.string().default('tributary.yaml').describe('Path of the catalog.'),
  kafkaBrokers: commaList().default(['127.0.0.1:19092']).describe('Brokers, host:port.'),
  kafkaGroupId: z.string().default('tributary').describe('Consumer group that processes share.'),
  registryUrl: z
    .url()
    .default('http://127.0.0.1:18081/apis/ccompat/v7')
    .describe('Root of the Confluent-compatible registry API.'),
  clickhouseUrl: z.url().default('http://127.0.0.1:8123').describe('HTTP interface of ClickHouse.'),
  clickhouseUser: z.string().default('default').describe('User that may write and create tables.'),
  clickhousePassword: secret().default(new Secret('')).describe('Password of that user.'),
  connectUrl: z
    .url()
    .optional()
    .describe('REST address of Kafka Connect, whose states are kept with the looks at sources.'),
  metricsPort: port().default(19464).describe('Port of /metrics and /health.'),
  maxBatchRows: z.coerce.number().int().min(1).default(20_000).describe('Most rows of one insert.'),
  maxBatchBytes: z.coerce
    .number()
    .int()
    .min(1_024)
    .default(6_291_456)
    .describe('Most bytes of records behind one insert.'),
  bufferBytes: z.coerce
    .number()
    .int()
    .min(1_024)
    .default(24_000_000)
    .describe('Most bytes that wait to be stored, of all tables together.'),
  flushIntervalMs: z.coerce
    .number()
    .int()
    .min(0)
    .default(40)
    .describe('Least time between two inserts into one table, in milliseconds.'),
  insertsAtOnce: z.coerce
    .number()
    .int()
    .min(1)
    .default(4)
    .describe('Inserts under way at a time, of all tables together.'),
  drainTimeoutMs: z.coerce
    .number()
    .int()
    .min(0)
    .default(15_000)
    .describe('How long a stop waits for queued rows to be stored, in milliseconds.'),
  deadLetterLimit: z.coerce
    .number()
    .int()
    .min(1)
    .default(100)
    .describe('Dead letters of one table within the window; one more halts the table.'),
  deadLetterWindowSeconds: z.coerce
    .number()
    .min(1)
    .default(60)
    .describe('The window that the limit is for, in seconds.'),
  tributaryFailpoint: z
    .string()
    .optional()
    .describe('Step at which this process kills itself; for tests.'),
  logLevel: z.enum(LOG_LEVELS).default('info').describe('Least level that is logged.'),
});

const FRESHNESS_INTERVAL_MS = 1_000;
const LOOKS_INTERVAL_MS = 15_000;
/** A view that is made anew has lost the comments of its table for as long. */
const COMMENTS_INTERVAL_MS = 30_000;
/** How old may be what is compared with the comments at a source: many sources share one reading. */
const COMMENTS_AGE_MS = 10_000;

async function main(): Promise<never> {
  const config = loadConfig(configSchema, process.env);
  const log = createLogger('transformer', config.logLevel);
  if (config.tributaryFailpoint !== undefined) armFailpoint(config.tributaryFailpoint);
  return runProcess(async (signal) => {
    const catalog = await loadCatalog(config.tributaryConfig, process.env);
    const sourceNames = catalog.sources.map(({ name }) => name);
    const prefixes = new Set(sourceNames);
    const metrics = createPipelineMetrics();
    const server = await serveMetrics(metrics.registry, {
      port: config.metricsPort,
      isHealthy: () => !signal.aborted,
    });
    const client = connectWarehouse(
      {
        url: config.clickhouseUrl,
        user: config.clickhouseUser,
        password: config.clickhousePassword,
      },
      'tributary-transformer',
    );
    await retry(
      async () => {
        try {
          await migrate(client, { log, signal });
        } catch (error) {
          throw sinkError(error, 'migrating the warehouse');
        }
      },
      { policy: UNTIL_STOPPED, signal, log, what: 'migrating the warehouse' },
    );
    const kafka = createKafka({ clientId: 'tributary', brokers: config.kafkaBrokers, log });
    const letters = createKafkaDeadLetters(kafka, log);
    const deadLetters = guardAgainstFlood(
      withholdMasked(
        {
          async write(letter, abandon) {
            const { topic, partition, offset } = letter.record;
            log.error(
              { topic, partition, offset: offset.toString(), code: letter.error.code },
              'record set aside as dead letter',
            );
            metrics.deadLetters.inc({ topic, code: letter.error.code });
            failpoint('before-dead-letter');
            const letterOffset = await letters.write(letter, abandon);
            failpoint('between-dead-letter-stores');
            await retry(() => recordDeadLetter(client, letter, letterOffset), {
              policy: UNTIL_STOPPED,
              signal: abandon,
              log,
              what: 'listing a dead letter',
            });
          },
        },
        (topic) => mayHoldMasked(catalog.sources, topic),
      ),
      { letters: config.deadLetterLimit, windowMs: config.deadLetterWindowSeconds * 1_000 },
    );
    const freshness = new FreshnessRecorder(client, `${hostname()}:${process.pid}`, log);
    freshness.start(FRESHNESS_INTERVAL_MS);
    const transformer = new Transformer({
      source: createKafkaSource({
        kafka,
        groupId: config.kafkaGroupId,
        isWanted: (topic) => isTableTopic(topic, prefixes),
        log,
        topicRefreshMs: 1_000,
        commitIntervalMs: 500,
        maxWaitMs: 100,
        maxBytesPerPartition: 2_097_152,
      }),
      sink: createClickHouseSink(client),
      deadLetters,
      ledger: createLedger(client),
      registry: createRegistryClient(config.registryUrl),
      rules: new Map(catalog.sources.map((source) => [source.name, source])),
      columnNames: createColumnNames(client, catalog, log),
      freshness,
      metrics,
      limits: { maxRows: config.maxBatchRows, maxBytes: config.maxBatchBytes },
      bufferBytes: config.bufferBytes,
      insertsAtOnce: config.insertsAtOnce,
      flushIntervalMs: config.flushIntervalMs,
      drainTimeoutMs: config.drainTimeoutMs,
      log,
    });
    const looks = new SourceLookRecorder(client, `${hostname()}:${process.pid}`, log);
    const connect =
      config.connectUrl === undefined ? undefined : createConnectClient(config.connectUrl);
    const recordingLooks = looks.run(
      LOOKS_INTERVAL_MS,
      async () =>
        lookUp({ sources: prefixes, kafka, groupId: config.kafkaGroupId, connect, signal }),
      signal,
    );
    const slotLevels = new Map<string, string>();
    const watching = watchSlots({
      sources: catalog.sources,
      onLook: (source, look) => {
        measureSlot(metrics, source, look);
        looks.note(source, look);
        if ('unknown' in look || look.health.level === slotLevels.get(source)) return;
        const { level, what, fix } = look.health;
        slotLevels.set(source, level);
        if (level !== 'ok') log.warn({ source, level, reason: what, advice: fix }, 'slot at risk');
      },
      signal,
    });
    const commentsDueAt = new Map<string, number>();
    const viewComments = remembered(COMMENTS_AGE_MS, () => readViewComments(client, sourceNames));
    const watchingTables = watchTables({
      sources: sourceNames,
      look: async (name) => {
        const source = findSource(catalog, name);
        if (source === undefined) return undefined;
        const names = captureNames(name);
        return withDatabase(name, source.url, async (database) => {
          if (Date.now() > (commentsDueAt.get(name) ?? 0)) {
            const { publication } = names;
            await carryComments(database, client, { name, publication }, viewComments);
            commentsDueAt.set(name, Date.now() + COMMENTS_INTERVAL_MS);
          }
          return readTables(database, source, names);
        });
      },
      client,
      log,
      signal,
    });
    const watchingMarts = watchMarts({
      client,
      sources: sourceNames,
      log,
      signal,
    });
    await transformer.run(signal);
    await watching;
    await recordingLooks;
    await watchingTables;
    await watchingMarts;
    await freshness.stop();
    await letters.close();
    await client.close();
    await server.close();
  }, log);
}

/** Asks broker and Connect how sources stand; of who does not answer there are no entries. */
async function lookUp(parts: {
  sources: ReadonlySet<string>;
  kafka: Kafka;
  groupId: string;
  connect: ConnectClient | undefined;
  signal: AbortSignal;
}): Promise<LookedUp> {
  const { sources, kafka, groupId, connect, signal } = parts;
  const names = [...sources];
  const [lags, live] = await Promise.all([
    consumerLag(kafka, groupId, (topic) => isTableTopic(topic, sources)).catch(() => []),
    connect?.list(signal).catch(() => undefined),
  ]);
  const lagOf = (name: string) =>
    lags
      .filter(({ topic }) => topic.startsWith(`${name}.`))
      .reduce((sum, { records }) => sum + records, 0n);
  return {
    connectors: new Map(
      live === undefined
        ? []
        : names.map((name) => [name, stateOf(live.get(captureNames(name).connector)?.status)]),
    ),
    consumerLag: new Map(lags.length === 0 ? [] : names.map((name) => [name, lagOf(name)])),
  };
}

/** A slot that could not be looked at has no values: an old one would pass for a new one. */
function measureSlot(metrics: PipelineMetrics, source: string, look: SlotLook): void {
  const { slotRetained, slotSafe, slotActive } = metrics;
  const slot = 'unknown' in look ? undefined : look.slot;
  for (const gauge of [slotRetained, slotSafe, slotActive]) gauge.remove({ source });
  if (slot === undefined) return;
  slotRetained.set({ source }, slot.retainedBytes);
  if (slot.safeBytes !== null) slotSafe.set({ source }, slot.safeBytes);
  slotActive.set({ source }, slot.active ? 1 : 0);
}

await main();
