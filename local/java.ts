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

/** How a JVM comes by its classes. */
export interface ClassArchive {
  readonly flags: readonly string[];
  /** How much longer its end may take, because it writes the archive then; 0 when it need not. */
  readonly writingMs: number;
}

const WRITING_MS = 90_000;

/**
 * Spares a JVM loading and checking its classes one by one, half of what a start costs and more:
 * they come from an archive (class data sharing), which a process without one writes when it is
 * told to end. An archive of another JVM or of other jars is passed over.
 *
 * @param program - each loads classes of its own
 * @param env - of the process: `java` is found by its search path
 * @param folder - of the archives; that of the jars, which goes when they do
 */
export async function classArchive(
  program: string,
  env: Readonly<Record<string, string>>,
  folder = jarsDir(),
): Promise<ClassArchive> {
  const archive = join(folder, `${program}-${await javaVersion(env)}.jsa`);
  // Of what does not fit into an archive nobody wants to hear, class by class.
  const quietly = ['-Xlog:cds=off', '-Xlog:cds+dynamic=off'];
  return (await pathExists(archive))
    ? { flags: [`-XX:SharedArchiveFile=${archive}`, ...quietly], writingMs: 0 }
    : { flags: [`-XX:ArchiveClassesAtExit=${archive}`, ...quietly], writingMs: WRITING_MS };
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
