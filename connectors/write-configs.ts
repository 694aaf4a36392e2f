import { writeFile } from 'node:fs/promises';
import { format } from 'prettier';
import { loadCatalog } from '../pipeline/catalog/load-catalog.ts';
import { renderConnector } from './render.ts';

// The shop's connector files, written anew after render.ts or tributary.yaml has changed:
// node --import tsx connectors/write-configs.ts
const root = new URL('../', import.meta.url);
const NAMES = ['users', 'catalog', 'inventory', 'orders', 'payments'];
const env = {
  ...Object.fromEntries(
    NAMES.map((name) => [
      `${name.toUpperCase()}_CAPTURE_URL`,
      `postgres://capture@localhost/${name}`,
    ]),
  ),
  // Of the catalog's rules of drift, which connectors do not know of.
  USERS_URL: 'http://users',
};
const { sources } = await loadCatalog(new URL('tributary.yaml', root).pathname, env);
for (const source of sources) {
  await writeFile(
    new URL(`connectors/${source.name}.json`, root),
    await format(JSON.stringify(renderConnector(source), undefined, 2), {
      parser: 'json',
      printWidth: 100,
    }),
  );
}
