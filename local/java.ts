import { join } from 'node:path';
import { jarsDir } from './settings.ts';

/** Class path of the broker and of Kafka Connect. */
export function kafkaClassPath(): string {
  return join(jarsDir(), 'kafka', '*');
}

/** Kafka Connect's plugin path. */
export function pluginPath(): string {
  return join(jarsDir(), 'plugins');
}

/** Class path of the schema registry. */
export function registryClassPath(): string {
  const folder = join(jarsDir(), 'registry');
  return `${join(folder, '*')}:${join(folder, 'lib', '*')}`;
}

/**
 * Flags every JVM here runs with. The serial collector: on two cores with small heaps the parallel
 * ones cost memory and threads, and gain nothing.
 */
export const JVM_FLAGS = [
  '-XX:+UseSerialGC',
  '-XX:+ExitOnOutOfMemoryError',
  '-Xshare:auto',
  '-Djava.awt.headless=true',
  '-Djava.net.preferIPv4Stack=true',
] as const;

/** Flags that make a Kafka program log to standard output, quietly. */
export function logFlags(): string[] {
  return [`-Dlog4j2.configurationFile=${join(import.meta.dirname, 'jvm', 'log4j2.properties')}`];
}
