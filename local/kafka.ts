import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { acceptsConnections } from './health.ts';
import { classArchive, JVM_FLAGS, kafkaClassPath, logFlags } from './java.ts';
import { pathExists } from './path-exists.ts';
import { openLog } from './process-log.ts';
import { portOf, statePath, type LocalSettings } from './settings.ts';
import type { ProcessSpec } from './process-spec.ts';

const run = promisify(execFile);

/** When to look for transactions that nobody will end, after a start. */
const LOOK_AFTER_SECONDS = ['3', '15', '45'];

/** Of every cluster that is made here. */
export const CLUSTER_ID = 'VHJpYnV0YXJ5TG9jYWxLYQ';

/** Settings of the broker that do not depend on where it runs; docker-compose.yml has the same. */
export const BROKER_SETTINGS = {
  'process.roles': 'broker,controller',
  'node.id': '1',
  'controller.listener.names': 'CONTROLLER',
  // One broker: nothing can have more than one replica.
  'offsets.topic.replication.factor': '1',
  'transaction.state.log.replication.factor': '1',
  'transaction.state.log.min.isr': '1',
  'share.coordinator.state.topic.replication.factor': '1',
  'share.coordinator.state.topic.min.isr': '1',
  'default.replication.factor': '1',
  'num.partitions': '1',
  // The defaults, 50 each, are for clusters and cost start-up time.
  'offsets.topic.num.partitions': '4',
  'transaction.state.log.num.partitions': '4',
  // Giving up leadership helps nobody when there is no other broker, and a transaction that is
  // committed in that moment loses its marker: it then stays open for ever, and Connect, which reads
  // its topics to their end, never starts again.
  'controlled.shutdown.enable': 'false',
  // Connect, when it was killed, starts again only once what it left open is timed out: look often.
  'transaction.abort.timed.out.transaction.cleanup.interval.ms': '1000',
  // A misspelt topic is an error, not a new topic.
  'auto.create.topics.enable': 'false',
  // An erasure waits for the cleaner, which looks every 15 s by default.
  'log.cleaner.backoff.ms': '1000',
  // Nobody else is going to join: do not wait for them.
  'group.initial.rebalance.delay.ms': '0',
  // One row of up to 16 MB, with its old image.
  'message.max.bytes': '16777216',
  'replica.fetch.max.bytes': '16777216',
  'log.retention.hours': '168',
} as const;

/** The Kafka broker, its own controller (KRaft). */
export async function kafkaProcess(settings: LocalSettings): Promise<ProcessSpec> {
  const folder = statePath(settings, 'kafka');
  const port = portOf(settings, 'kafka');
  const controllerPort = portOf(settings, 'kafka-controller');
  const properties = join(folder, 'server.properties');
  await mkdir(folder, { recursive: true });
  await writeFile(
    properties,
    Object.entries({
      ...BROKER_SETTINGS,
      'controller.quorum.voters': `1@127.0.0.1:${controllerPort}`,
      listeners: `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}`,
      'advertised.listeners': `PLAINTEXT://127.0.0.1:${port}`,
      'log.dirs': join(folder, 'data'),
    })
      .map(([key, value]) => `${key}=${value}\n`)
      .join(''),
  );
  const archive = await classArchive('kafka', settings.baseEnv);
  const java = [...JVM_FLAGS, ...logFlags(), '-cp', kafkaClassPath()];
  const logFile = statePath(settings, 'logs', 'kafka.log');
  let isNew = !(await pathExists(join(folder, 'data', 'meta.properties')));
  if (isNew) {
    await run('java', [
      // It is over before the second compiler tier could be of use.
      '-XX:TieredStopAtLevel=1',
      // Nor does anybody want to wait until it has written one.
      ...(archive.writingMs === 0 ? archive.flags : []),
      ...java,
      'kafka.tools.StorageTool',
      'format',
      '-t',
      CLUSTER_ID,
      '-c',
      properties,
    ]);
  }
  return {
    name: 'kafka',
    command: 'java',
    args: ['-Xms256m', '-Xmx384m', ...archive.flags, ...java, 'kafka.Kafka', properties],
    env: settings.baseEnv,
    cwd: folder,
    logFile,
    isHealthy: () => acceptsConnections(port),
    startTimeoutMs: 60_000,
    graceMs: 20_000 + archive.writingMs,
    // A broker that was killed while it recovered can forget the end of a transaction.
    afterLaunch: async (signal) => {
      if (isNew) {
        isNew = false;
        return;
      }
      const source = join(import.meta.dirname, 'jvm', 'AbortHangingTransactions.java');
      const { file } = await openLog(logFile);
      const look = spawn(
        'java',
        [
          '-Xmx128m',
          '-XX:TieredStopAtLevel=1',
          ...java,
          source,
          `127.0.0.1:${port}`,
          ...LOOK_AFTER_SECONDS,
        ],
        { cwd: folder, env: settings.baseEnv, stdio: ['ignore', file.fd, file.fd], signal },
      );
      try {
        await once(look, 'exit');
      } finally {
        await file.close();
      }
    },
  };
}
