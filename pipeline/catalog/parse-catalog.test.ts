import { readFile } from 'node:fs/promises';
import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { TributaryError } from '#runtime/errors.ts';
import { catalogJsonSchema } from './json-schema.ts';
import { loadCatalog } from './load-catalog.ts';
import { parseCatalog } from './parse-catalog.ts';

const ENV = { SHOP_URL: 'postgres://capture:s3cret%40@db.example:6432/shop?sslmode=require' };

function refusal(text: string, env: Record<string, string> = ENV): string {
  try {
    parseCatalog(text, 'c.yaml', env);
  } catch (error) {
    expect(error).toBeInstanceOf(TributaryError);
    expect((error as TributaryError).code).toBe('CATALOG_INVALID');
    return (error as TributaryError).message;
  }
  throw new Error('the catalog was accepted');
}

describe('the catalog', () => {
  it('takes a source whose url comes from the environment', () => {
    const { sources } = parseCatalog(
      'sources:\n  - name: shop\n    url: ${SHOP_URL}\n    tables:\n      - public.*\n',
      'c.yaml',
      ENV,
    );
    const [source] = sources;
    expect(source?.url.reveal()).toBe(ENV.SHOP_URL);
    expect(source?.address).toEqual({
      host: 'db.example',
      port: 6432,
      user: 'capture',
      database: 'shop',
      sslMode: 'require',
    });
    expect(source?.tables.map(({ text, line }) => [text, line])).toEqual([['public.*', 5]]);
    expect(inspect(sources, { depth: 9 }) + JSON.stringify(sources)).not.toContain('s3cret');
  });

  it('tells every problem of a file at once, in order, each with its place and its fix', () => {
    const message = refusal(
      [
        'sources:',
        '  - name: users',
        '    url: ${USERS_URL}',
        "    tables: [public.*, users, 'a.b.c']",
        '  - name: users',
        '    urls: x',
        '    tables: public.*',
        '  - name: Big',
        '    url: mysql://u:p@h/d',
        '    tables: []',
        '  - name: ops',
        '    url: postgres://u:p%zz@h/d',
        '    tables: [public.*, 7]',
        '    exclude: [oops]',
        '  - name: a__b',
        '    url: ${SHOP_URL}${bad-name}',
        '    tables: [public.*]',
        'sorces: 1',
      ].join('\n'),
    );
    const places = [...message.matchAll(/c\.yaml:(\d+:\d+): (.*)\n {4}(.+)/g)].map(
      ([, place, what, fix]) => [place, `${what} | ${fix}`],
    );
    expect(places).toEqual([
      ['3:10', expect.stringContaining('USERS_URL is not set | Set it: export USERS_URL=')],
      ['4:24', expect.stringContaining('Write schema.table: public.users')],
      ['4:31', expect.stringContaining('more than two parts')],
      ['5:5', expect.stringContaining('url is missing | For example: url: ${')],
      ['5:11', expect.stringContaining('there already, on line 2')],
      ['6:5', expect.stringContaining('unknown key "urls" | Did you mean "url"?')],
      ['7:13', 'tables must be a list | For example: tables: [public.*]'],
      ['8:11', expect.stringContaining('must be lower-case letters')],
      ['9:10', expect.stringContaining('does not begin with postgres://')],
      ['10:13', expect.stringContaining('at least one table pattern')],
      ['11:11', expect.stringContaining('a database of the warehouse itself')],
      ['12:10', expect.stringContaining('%25')],
      ['13:24', expect.stringContaining('entry 2 of tables must be a text')],
      ['14:15', expect.stringContaining('public.oops')],
      ['15:11', expect.stringContaining('must be lower-case letters')],
      ['16:10', expect.stringContaining('not written as ${NAME}')],
      ['18:1', expect.stringContaining('Did you mean "sources"?')],
    ]);
  });

  it('never repeats a url it refuses', () => {
    for (const url of [
      'postgres://u:hunter2#x@h/d',
      'http://u:hunter2@h/d',
      'postgres://u:hunter2@h/',
      'postgres://u:hunter2@h/d?sslmode=hunter2',
      'postgres://u:hunter2%@h/d',
    ]) {
      const message = refusal('sources: [{name: a, url: "${U}", tables: [a.b]}]', { U: url });
      expect(message).toContain('the url is not usable');
      expect(message).not.toContain('hunter2');
    }
  });

  it.each([
    ['', /1:1: the catalog is missing/],
    ['sources:\n', /sources is missing/],
    ['sources: []\n', /1:10: sources must list at least one source/],
    ['sources: [\n', /not valid YAML/],
    ['sources:\n  - name: a\n    name: b\n', /3:5: not valid YAML: Map keys must be unique/],
    ['sources: [x]', /1:11: entry 1 of sources must be a map/],
    [
      'sources: [{name: a, url: "postgres://u@h/d", tables: [a.b], outbox: "a.*"}]',
      /1:69: "a\.\*" does not name one table/,
    ],
    [
      'sources: [{name: a, url: "postgres://u@h/d", tables: [a.b], outbox: events}]',
      /does not say which schema/,
    ],
  ])('refuses %j with its place', (text, message) => {
    expect(refusal(text)).toMatch(message);
  });

  it('takes masks in their order, and hashes only with a key', () => {
    const text =
      'sources:\n  - name: a\n    url: ${SHOP_URL}\n    tables: [a.b]\n    mask:\n      a.b.c: keep\n      a.b.*: hash\n';
    const key = 'a key that nobody guesses';
    const catalog = parseCatalog(text, 'c.yaml', { ...ENV, TRIBUTARY_MASK_KEY: key });
    const [source] = catalog.sources;
    expect(
      source?.masks.map(({ pattern, how }) => [pattern.table.text, pattern.table.line, how]),
    ).toEqual([
      ['a.b.c', 6, 'keep'],
      ['a.b.*', 7, 'hash'],
    ]);
    expect(catalog.variables).toEqual(['TRIBUTARY_MASK_KEY', 'SHOP_URL']);
    expect(inspect(catalog, { depth: 9 }) + JSON.stringify(catalog)).not.toContain(key);
    expect(refusal(text)).toMatch(/`hash` takes a key, and TRIBUTARY_MASK_KEY is not set/);
    expect(refusal(text, { ...ENV, TRIBUTARY_MASK_KEY: 'short' })).toMatch(/is too short/);
    expect(refusal(text.replace('a.b.c', 'b.c'), { ...ENV, TRIBUTARY_MASK_KEY: key })).toMatch(
      /6:7: "b\.c" is not schema\.table\.column/,
    );
    expect(refusal(text.replace('    mask:\n', '    renames: [x]\n    mask:\n'))).toMatch(
      /5:14: renames must be a map\s+For example: renames: \{ public\.users: \{ email: primary_email \} \}/,
    );
    expect(refusal(text.replace('hash', 'shred'))).toMatch(
      /7:14: a\.b\.\* must be one of drop, hash, redact, keep/,
    );
  });

  it('says so when there is no file', async () => {
    await expect(loadCatalog('/nowhere/c.yaml', {})).rejects.toThrow(
      'there is no catalog at /nowhere/c.yaml',
    );
  });

  it('has a committed JSON schema that equals the generated one and describes every key', async () => {
    const committed = await readFile(new URL('tributary.schema.json', import.meta.url), 'utf8');
    expect(JSON.parse(committed)).toEqual(catalogJsonSchema());
    const undescribed: string[] = [];
    const walk = (node: unknown, path: string): void => {
      if (typeof node !== 'object' || node === null) return;
      for (const [key, value] of Object.entries(node)) {
        if (path.endsWith('properties') && !('description' in (value as object))) {
          undescribed.push(`${path}.${key}`);
        }
        walk(value, `${path}.${key}`);
      }
    };
    walk(catalogJsonSchema(), '');
    expect(undescribed).toEqual([]);
  });
});
