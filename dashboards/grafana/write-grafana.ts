import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { format } from 'prettier';
import { loadDefinitions } from '../definition/load-definitions.ts';
import { grafanaDashboard } from './grafana-dashboard.ts';

const FOLDER = new URL('dashboards/', import.meta.url);

/** Texts of Grafana's dashboards by the names of their files, made from the definitions. */
export async function grafanaFiles(): Promise<Map<string, string>> {
  const dashboards = await loadDefinitions();
  return new Map(
    await Promise.all(
      dashboards.map(async (dashboard) => {
        const text = JSON.stringify(grafanaDashboard(dashboard));
        const formatted = await format(text, { parser: 'json', printWidth: 100 });
        return [`${dashboard.id}.json`, formatted] as const;
      }),
    ),
  );
}

/** Names of files that are not what the definitions say: others, missing, or too many. */
export async function outdatedFiles(): Promise<string[]> {
  const wanted = await grafanaFiles();
  const there = await readdir(FOLDER);
  const texts = new Map(
    await Promise.all(
      there.map(async (file) => [file, await readFile(new URL(file, FOLDER), 'utf8')] as const),
    ),
  );
  return [...new Set([...wanted.keys(), ...there])].filter(
    (file) => wanted.get(file) !== texts.get(file),
  );
}

if (process.argv[1] === new URL(import.meta.url).pathname) {
  await rm(FOLDER, { recursive: true, force: true });
  await mkdir(FOLDER, { recursive: true });
  for (const [file, text] of await grafanaFiles()) await writeFile(new URL(file, FOLDER), text);
}
