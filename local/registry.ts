import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { answersHttp } from './health.ts';
import { classArchive, JVM_FLAGS, registryClassPath } from './java.ts';
import { portOf, statePath, type LocalSettings } from './settings.ts';
import type { ProcessSpec } from './process-spec.ts';

/** The schema registry (Apicurio), with storage that survives a restart. */
export async function registryProcess(settings: LocalSettings): Promise<ProcessSpec> {
  const folder = statePath(settings, 'registry');
  const port = portOf(settings, 'registry');
  const archive = await classArchive('registry', settings.baseEnv);
  await mkdir(folder, { recursive: true });
  return {
    name: 'registry',
    command: 'java',
    // It compiles little and answers rarely: the first compiler tier starts faster and is enough.
    args: [
      '-Xmx192m',
      '-XX:TieredStopAtLevel=1',
      ...archive.flags,
      ...JVM_FLAGS,
      '-cp',
      registryClassPath(),
      'io.quarkus.runner.GeneratedMain',
    ],
    env: {
      ...settings.baseEnv,
      QUARKUS_HTTP_HOST: '127.0.0.1',
      QUARKUS_HTTP_PORT: String(port),
      REGISTRY_DATASOURCE_URL: `jdbc:h2:file:${join(folder, 'schemas')}`,
      QUARKUS_LOG_LEVEL: 'WARN',
      // Says something of every schema otherwise.
      REGISTRY_LOG_LEVEL: 'WARN',
      QUARKUS_BANNER_ENABLED: 'false',
      QUARKUS_LOG_CONSOLE_COLOR: 'false',
    },
    cwd: folder,
    logFile: statePath(settings, 'logs', 'registry.log'),
    isHealthy: () => answersHttp(`http://127.0.0.1:${port}/apis/ccompat/v7/subjects`),
    startTimeoutMs: 60_000,
    graceMs: 10_000 + archive.writingMs,
  };
}
