import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { parseCatalog } from '../pipeline/catalog/parse-catalog.ts';
import { desiredConnectors } from './desired-connectors.ts';
import { loadCatalog } from '../pipeline/catalog/load-catalog.ts';
import { renderConnector } from './render.ts';

const SHOP = ['users', 'catalog', 'inventory', 'orders', 'payments'];
const SHOP_ENV = {
  ...Object.fromEntries(
    SHOP.map((name) => [
      `${name.toUpperCase()}_CAPTURE_URL`,
      `postgres://c:hunter2@db:5432/${name}`,
    ]),
  ),
  USERS_URL: 'http://users:3001',
};
const catalogFile = new URL('../tributary.yaml', import.meta.url).pathname;

describe('rendered connectors', () => {
  it('are what the committed files of the shop say', async () => {
    const { sources } = await loadCatalog(catalogFile, SHOP_ENV);
    expect(sources.map(({ name }) => name)).toEqual(SHOP);
    for (const source of sources) {
      const file = await readFile(new URL(`${source.name}.json`, import.meta.url), 'utf8');
      expect(JSON.parse(file), `connectors/${source.name}.json`).toEqual(renderConnector(source));
    }
  });

  it('have no secret, only references to where the worker finds them', async () => {
    const [source] = (await loadCatalog(catalogFile, SHOP_ENV)).sources;
    if (source === undefined) throw new Error('no source');
    const text = JSON.stringify(renderConnector(source));
    expect(text).not.toContain('hunter2');
    expect(text).toContain('${file:secrets/users.properties:password}');
  });

  it('pass on how the url wants the connection encrypted', () => {
    const [source] = parseCatalog(
      'sources: [{name: a, url: "postgres://u@h/d?sslmode=verify-full", tables: [a.b]}]',
      'c.yaml',
      {},
    ).sources;
    if (source === undefined) throw new Error('no source');
    expect(renderConnector(source).config['database.sslmode']).toBe('verify-full');
  });
});

describe('a connector file beside the catalog', () => {
  it('is taken instead of the rendered one, unless it disagrees with the catalog', async () => {
    const catalog = await loadCatalog(catalogFile, SHOP_ENV);
    const fromFiles = await desiredConnectors(catalog);
    expect(fromFiles.map(({ name }) => name)).toEqual(SHOP.map((name) => `tributary-${name}`));

    const narrower = parseCatalog(
      'sources: [{name: users, url: "postgres://u@h/d", tables: [public.users]}]',
      catalogFile,
      {},
    );
    await expect(desiredConnectors(narrower)).rejects.toThrow(
      /connectors\/users\.json: "table\.include\.list" must be .*public.*users.*, as the catalog says/,
    );
  });
});
