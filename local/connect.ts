import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { answersHttp } from './health.ts';
import { classArchive, JVM_FLAGS, kafkaClassPath, logFlags, pluginPath } from './java.ts';
import { portOf, statePath, type LocalSettings } from './settings.ts';
import type { ProcessSpec } from './process-spec.ts';

/** Settings of the worker that do not depend on where it runs; docker-compose.yml has the same. */
export const WORKER_SETTINGS = {
  'group.id': 'tributary-connect',
  'config.storage.topic': 'tributary-connect-configs',
  'offset.storage.topic': 'tributary-connect-offsets',
  'status.storage.topic': 'tributary-connect-status',
  'config.storage.replication.factor': '1',
  'offset.storage.replication.factor': '1',
  'status.storage.replication.factor': '1',
  'offset.storage.partitions': '1',
  'status.storage.partitions': '1',
  // Each connector names its converters; these are for those that do not.
  'key.converter': 'org.apache.kafka.connect.json.JsonConverter',
  'value.converter': 'org.apache.kafka.connect.json.JsonConverter',
  // Records and the positions they came from are committed in one Kafka transaction.
  'exactly.once.source.support': 'enabled',
  // Connector configurations refer to secrets/<source>.properties, from the working directory.
  'config.providers': 'file',
  'config.providers.file.class': 'org.apache.kafka.common.config.provider.FileConfigProvider',
  'connector.client.config.override.policy': 'All',
  // Plugins say what they are in META-INF/services: no need to look into every class.
  'plugin.discovery': 'service_load',
  'offset.flush.interval.ms': '5000',
  // A worker that was killed is missed after this long; the default is meant for wide networks.
  'session.timeout.ms': '10000',
  'scheduled.rebalance.max.delay.ms': '0',
} as const;

/**
 * Kafka Connect, a distributed worker of one.
 *
 * @param more - settings of the worker, beyond {@link WORKER_SETTINGS}
 */
export async function connectProcess(
  settings: LocalSettings,
  more: Readonly<Record<string, string>> = {},
): Promise<ProcessSpec> {
  const port = portOf(settings, 'connect');
  const folder = statePath(settings, 'connect');
  const archive = await classArchive('connect', settings.baseEnv);
  const properties = join(folder, 'worker.properties');
  await mkdir(folder, { recursive: true });
  await writeFile(
    properties,
    Object.entries({
      ...WORKER_SETTINGS,
      'bootstrap.servers': `127.0.0.1:${portOf(settings, 'kafka')}`,
      listeners: `http://127.0.0.1:${port}`,
      'rest.advertised.host.name': '127.0.0.1',
      'rest.advertised.port': String(port),
      'plugin.path': pluginPath(),
      ...more,
    })
      .map(([key, value]) => `${key}=${value}\n`)
      .join(''),
  );
  return {
    name: 'connect',
    command: 'java',
    args: [
      '-Xms256m',
      '-Xmx640m',
      ...archive.flags,
      ...JVM_FLAGS,
      ...logFlags(),
      '-cp',
      kafkaClassPath(),
      'org.apache.kafka.connect.cli.ConnectDistributed',
      properties,
    ],
    env: settings.baseEnv,
    // The state folder: `secrets/` in connector configurations is read from here.
    cwd: settings.stateDir,
    logFile: statePath(settings, 'logs', 'connect.log'),
    // Not /connectors, which answers before the worker has read its topics. After a kill it first
    // waits for the transactions it left open, a minute at most.
    isHealthy: () => answersHttp(`http://127.0.0.1:${port}/health`),
    startTimeoutMs: 150_000,
    graceMs: 20_000 + archive.writingMs,
  };
}
