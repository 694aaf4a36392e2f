import { realpath, stat } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { pathExists } from './path-exists.ts';
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

/**
 * Flags that spare a JVM loading and checking its classes one by one, half of what a start costs:
 * they come from an archive (class data sharing), which a process without one writes when it is
 * told to end. An archive of another JVM or of other jars is passed over.
 *
 * @param program - each loads classes of its own
 * @param env - of the process: `java` is found by its search path
 * @param folder - of the archives; that of the jars, which goes when they do
 */
export async function archiveFlags(
  program: string,
  env: Readonly<Record<string, string>>,
  folder = jarsDir(),
): Promise<string[]> {
  const archive = join(folder, `${program}-${await javaVersion(env)}.jsa`);
  const use = (await pathExists(archive)) ? 'SharedArchiveFile' : 'ArchiveClassesAtExit';
  // Of what does not fit into an archive nobody wants to hear, class by class.
  return [`-XX:${use}=${archive}`, '-Xlog:cds=off', '-Xlog:cds+dynamic=off'];
}

/** Tells one installed `java` from another, also from one that has taken its place. */
async function javaVersion(env: Readonly<Record<string, string>>): Promise<string> {
  for (const folder of (env['PATH'] ?? '').split(delimiter)) {
    const java = join(folder, 'java');
    if (!(await pathExists(java))) continue;
    const { mtimeMs, size } = await stat(await realpath(java));
    return `${Math.round(mtimeMs)}-${size}`;
  }
  return 'unknown';
}

/** Flags that make a Kafka program log to standard output, quietly. */
export function logFlags(): string[] {
  return [`-Dlog4j2.configurationFile=${join(import.meta.dirname, 'jvm', 'log4j2.properties')}`];
}
