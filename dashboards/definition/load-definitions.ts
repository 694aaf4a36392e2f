import { readdir, readFile } from 'node:fs/promises';
import { TributaryError } from '#runtime/errors.ts';
import type { Dashboard } from './definition.ts';
import { parseDefinition } from './parse-definition.ts';

const FOLDER = new URL('../definitions/', import.meta.url);
const ENDING = '.yaml';

/**
 * Reads all dashboards, in the order of the menu.
 *
 * @throws TributaryError `DASHBOARD_INVALID`, also for a link to a page or variable that is not there
 */
export async function loadDefinitions(folder: URL = FOLDER): Promise<Dashboard[]> {
  const files = (await readdir(folder)).filter((file) => file.endsWith(ENDING)).sort();
  const dashboards = await Promise.all(
    files.map(async (file) =>
      parseDefinition(
        file.slice(0, -ENDING.length),
        await readFile(new URL(file, folder), 'utf8'),
        `dashboards/definitions/${file}`,
      ),
    ),
  );
  for (const dashboard of dashboards) checkLinks(dashboard, dashboards);
  return dashboards.sort((a, b) => a.order - b.order);
}

function checkLinks(dashboard: Dashboard, all: readonly Dashboard[]): void {
  for (const { id, link } of dashboard.panels) {
    if (link === undefined) continue;
    const target = all.find((other) => other.id === link.dashboard);
    const known = target?.variables.map(({ name }) => name) ?? [];
    const missing = Object.keys(link.variables).filter((name) => !known.includes(name));
    if (target !== undefined && missing.length === 0) continue;
    throw new TributaryError(
      'DASHBOARD_INVALID',
      target === undefined
        ? `dashboards/definitions/${dashboard.id}.yaml: panel ${id} links to ${link.dashboard}, which is not there`
        : `dashboards/definitions/${dashboard.id}.yaml: panel ${id} sets ${missing.join(', ')}, which ${link.dashboard} does not have`,
    );
  }
}
