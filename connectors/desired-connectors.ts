import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describeError, messageCode, TributaryError } from '#runtime/errors.ts';
import type { Catalog, Source } from '../pipeline/catalog/catalog.ts';
import { connectorConfig, type ConnectorConfig } from './connector-config.ts';
import { renderConnector } from './render.ts';

/** Settings by which the rest of the system knows a source: a file may not have others. */
const FIXED = [
  'topic.prefix',
  'slot.name',
  'publication.name',
  'publication.autocreate.mode',
  'table.include.list',
  'column.exclude.list',
  'unavailable.value.placeholder',
  'converters',
  'exact.type',
  'exact.placeholder',
  'snapshot.query.mode',
  'snapshot.query.mode.custom.name',
  'database.hostname',
  'database.port',
  'database.user',
  'database.password',
  'database.dbname',
];

/**
 * The connector of each source: `connectors/<name>.json` beside the catalog where there is one,
 * otherwise what {@link renderConnector} makes of it.
 *
 * @throws TributaryError `CONFIG_INVALID` with every problem of the files at once
 */
export async function desiredConnectors(catalog: Catalog): Promise<ConnectorConfig[]> {
  const problems: string[] = [];
  const connectors: ConnectorConfig[] = [];
  for (const source of catalog.sources) {
    const path = join(dirname(catalog.path), 'connectors', `${source.name}.json`);
    const text = await readFile(path, 'utf8').catch((error: unknown) => {
      if (messageCode(error) === 'ENOENT') return undefined;
      problems.push(`${path}: ${describeError(error)}`);
      return undefined;
    });
    if (text === undefined) {
      connectors.push(renderConnector(source));
      continue;
    }
    const read = readConnector(text, source);
    if ('problems' in read) problems.push(...read.problems.map((problem) => `${path}: ${problem}`));
    else connectors.push(read);
  }
  if (problems.length > 0) {
    throw new TributaryError('CONFIG_INVALID', `bad connector files:\n  ${problems.join('\n  ')}`, {
      fix: 'Write the file anew: tributary connectors render SOURCE > connectors/SOURCE.json; or delete it.',
    });
  }
  return connectors;
}

function readConnector(
  text: string,
  source: Source,
): ConnectorConfig | { readonly problems: readonly string[] } {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    return { problems: [`not JSON: ${describeError(error)}`] };
  }
  const parsed = connectorConfig.safeParse(json);
  if (!parsed.success)
    return { problems: ['must be {"name": …, "config": {…}}, every value a text'] };
  const rendered = renderConnector(source);
  const problems = FIXED.filter(
    (setting) => parsed.data.config[setting] !== rendered.config[setting],
  ).map((setting) =>
    rendered.config[setting] === undefined
      ? `"${setting}" must not be there: the catalog says nothing of it`
      : `"${setting}" must be ${JSON.stringify(rendered.config[setting])}, as the catalog says`,
  );
  if (parsed.data.name !== rendered.name) problems.unshift(`"name" must be "${rendered.name}"`);
  return problems.length > 0 ? { problems } : parsed.data;
}
