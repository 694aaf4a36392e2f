import { z } from 'zod';
import { commaList, loadConfig, port, secret, Secret } from '#runtime/config.ts';
import { runProcess } from '#runtime/lifecycle.ts';
import { createLogger, LOG_LEVELS } from '#runtime/log.ts';
import { serveMetrics } from '#runtime/metrics.ts';
import { retry, UNTIL_STOPPED } from '#runtime/retry.ts';
import { migrate } from '../warehouse/migrate.ts';
import { loadCatalog } from './catalog/load-catalog.ts';
import { createDriftMetrics } from './drift/metrics.ts';
import { watchDrift } from './drift/watch-drift.ts';
import { connectWarehouse } from './sink/clickhouse-client.ts';
import { sinkError } from './sink/clickhouse-error.ts';
import { createKafka } from './source/kafka-client.ts';
import { catchUpThroughKafka } from './verify/catch-up.ts';

const configSchema = z.object({
  tributaryConfig: z.string().default('tributary.yaml').describe('Path of the catalog.'),
  kafkaBrokers: commaList().default(['127.0.0.1:19092']).describe('Brokers, host:port.'),
  kafkaGroupId: z.string().default('tributary').describe('Consumer group of the pipeline.'),
  clickhouseUrl: z.url().default('http://127.0.0.1:8123').describe('HTTP interface of ClickHouse.'),
  clickhouseUser: z.string().default('default').describe('User that may read, and write to ops.'),
  clickhousePassword: secret().default(new Secret('')).describe('Password of that user.'),
  driftSweepSeconds: z.coerce
    .number()
    .positive()
    .default(600)
    .describe('Seconds between two looks at all copies; between these, at what was written.'),
  driftPauseSeconds: z.coerce
    .number()
    .positive()
    .default(5)
    .describe('Seconds between the end of a round and the next one.'),
  metricsPort: port().default(19465).describe('Port of /metrics and /health.'),
  logLevel: z.enum(LOG_LEVELS).default('info').describe('Least level that is logged.'),
});

/** Longest wait for the warehouse to catch up with a source, before it is said to differ. */
const CATCH_UP_MS = 25_000;

/**
 * Runs the drift monitor until it is told to stop, then leaves the process.
 *
 * @param env - its settings, and the variables that the catalog names
 * @throws TributaryError `CONFIG_INVALID` before anything is done
 */
export async function runDriftMonitor(env: NodeJS.ProcessEnv): Promise<never> {
  const config = loadConfig(configSchema, env);
  const log = createLogger('drift-monitor', config.logLevel);
  return runProcess(async (signal) => {
    const catalog = await loadCatalog(config.tributaryConfig, env);
    const metrics = createDriftMetrics();
    const server = await serveMetrics(metrics.registry, {
      port: config.metricsPort,
      isHealthy: () => !signal.aborted,
    });
    const warehouse = connectWarehouse(
      {
        url: config.clickhouseUrl,
        user: config.clickhouseUser,
        password: config.clickhousePassword,
      },
      'tributary-drift-monitor',
    );
    await retry(
      async () => {
        try {
          await migrate(warehouse, { log, signal });
        } catch (error) {
          throw sinkError(error, 'migrating the warehouse');
        }
      },
      { policy: UNTIL_STOPPED, signal, log, what: 'migrating the warehouse' },
    );
    const kafka = createKafka({
      clientId: 'tributary-drift-monitor',
      brokers: config.kafkaBrokers,
      log,
    });
    const catchUpWith = catchUpThroughKafka({
      kafka,
      groupId: config.kafkaGroupId,
      deadlineMs: CATCH_UP_MS,
      signal,
    });
    const sweepEveryMs = config.driftSweepSeconds * 1_000;
    const pauseMs = config.driftPauseSeconds * 1_000;
    await watchDrift(
      { catalog, warehouse, catchUpWith, sweepEveryMs, pauseMs, metrics, log },
      signal,
    );
    await warehouse.close();
    await server.close();
  }, log);
}
