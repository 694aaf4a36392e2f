import { execFile } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { connectProcess } from '../local/connect.ts';
import { acceptsConnections, answersHttp } from '../local/health.ts';
import { BROKER_SETTINGS, CLUSTER_ID } from '../local/kafka.ts';
import { JVM_FLAGS, kafkaClassPath, logFlags } from '../local/java.ts';
import type { ProcessSpec } from '../local/process-spec.ts';
import { portOf, statePath, type LocalSettings } from '../local/settings.ts';

const run = promisify(execFile);

/** Copies of everything in Kafka, and how many must have a record before it counts. */
const COPIES = '3';
const IN_SYNC = '2';
/** Ports of the members of a cluster are this far apart, out of the way of the other parts. */
const STEP = 200;

/** What a broker of several has otherwise than one that is alone. */
const IN_A_CLUSTER = {
  'offsets.topic.replication.factor': COPIES,
  'transaction.state.log.replication.factor': COPIES,
  'transaction.state.log.min.isr': IN_SYNC,
  'share.coordinator.state.topic.replication.factor': COPIES,
  'share.coordinator.state.topic.min.isr': IN_SYNC,
  'default.replication.factor': COPIES,
  'min.insync.replicas': IN_SYNC,
  'num.partitions': '4',
  'controlled.shutdown.enable': 'true',
};

/** Addresses of the brokers of a cluster. */
export function clusterBrokers(settings: LocalSettings, size: number): string[] {
  return Array.from({ length: size }, (_, node) => `127.0.0.1:${brokerPort(settings, node)}`);
}

function brokerPort(settings: LocalSettings, node: number): number {
  return portOf(settings, 'kafka') + STEP * (node + 1);
}

function controllerPort(settings: LocalSettings, node: number): number {
  return portOf(settings, 'kafka-controller') + STEP * (node + 1);
}

/** One broker of a cluster, with a controller of its own. */
export async function clusterBroker(
  settings: LocalSettings,
  node: number,
  size: number,
): Promise<ProcessSpec> {
  const folder = statePath(settings, `kafka-${node}`);
  const properties = join(folder, 'server.properties');
  await mkdir(folder, { recursive: true });
  const voters = Array.from(
    { length: size },
    (_, other) => `${other + 1}@127.0.0.1:${controllerPort(settings, other)}`,
  );
  const port = brokerPort(settings, node);
  await writeProperties(properties, {
    ...BROKER_SETTINGS,
    ...IN_A_CLUSTER,
    'node.id': String(node + 1),
    'controller.quorum.voters': voters.join(','),
    listeners: `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort(settings, node)}`,
    'advertised.listeners': `PLAINTEXT://127.0.0.1:${port}`,
    'log.dirs': join(folder, 'data'),
  });
  const java = [...JVM_FLAGS, ...logFlags(), '-cp', kafkaClassPath()];
  await run('java', [
    ...java,
    'kafka.tools.StorageTool',
    'format',
    '-t',
    CLUSTER_ID,
    '-c',
    properties,
  ]);
  return {
    name: `kafka-${node}`,
    command: 'java',
    args: ['-Xms256m', '-Xmx384m', ...java, 'kafka.Kafka', properties],
    env: settings.baseEnv,
    cwd: folder,
    logFile: statePath(settings, 'logs', `kafka-${node}.log`),
    isHealthy: () => acceptsConnections(port),
    startTimeoutMs: 120_000,
    graceMs: 30_000,
  };
}

/** URL of a worker's interface. */
export function workerUrl(settings: LocalSettings, number: number): string {
  return `http://127.0.0.1:${portOf(settings, 'connect') + STEP * (number + 1)}`;
}

/** One Connect worker of several: the one of the local stack with addresses of its own. */
export async function clusterWorker(
  settings: LocalSettings,
  number: number,
  brokers: readonly string[],
): Promise<ProcessSpec> {
  const spec = await connectProcess(settings);
  const alone = spec.args.at(-1) ?? '';
  const url = workerUrl(settings, number);
  const properties = `${alone}.${number}`;
  const own: Record<string, string> = {
    'bootstrap.servers': brokers.join(','),
    listeners: url,
    'rest.advertised.port': new URL(url).port,
    'config.storage.replication.factor': COPIES,
    'offset.storage.replication.factor': COPIES,
    'status.storage.replication.factor': COPIES,
  };
  await writeProperties(properties, { ...parse(await readFile(alone, 'utf8')), ...own });
  return {
    ...spec,
    name: `connect-${number}`,
    args: [...spec.args.slice(0, -1), properties],
    logFile: statePath(settings, 'logs', `connect-${number}.log`),
    isHealthy: () => answersHttp(`${url}/health`),
  };
}

function parse(text: string): Record<string, string> {
  return Object.fromEntries(
    text.split('\n').flatMap((line) => {
      const at = line.indexOf('=');
      return at === -1 ? [] : [[line.slice(0, at), line.slice(at + 1)]];
    }),
  );
}

async function writeProperties(
  file: string,
  entries: Readonly<Record<string, string>>,
): Promise<void> {
  const lines = Object.entries(entries).map(([key, value]) => `${key}=${value}\n`);
  await writeFile(file, lines.join(''));
}
