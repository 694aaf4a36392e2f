import { readFile } from 'node:fs/promises';
import { describeError, messageCode, TributaryError } from '#runtime/errors.ts';
import type { Catalog } from './catalog.ts';
import { parseCatalog } from './parse-catalog.ts';

/**
 * Reads the catalog file.
 *
 * @param env - where `${VARIABLE}` in a url is looked up
 * @throws TributaryError `CATALOG_INVALID` with every problem of the file at once, each with its
 * place and its fix
 */
export async function loadCatalog(
  path: string,
  env: Readonly<Record<string, string | undefined>>,
): Promise<Catalog> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    const missing = messageCode(error) === 'ENOENT';
    throw new TributaryError(
      'CATALOG_INVALID',
      missing ? `there is no catalog at ${path}` : `cannot read ${path}: ${describeError(error)}`,
      {
        cause: error,
        fix: missing
          ? 'Name the file with --config, or write one: the README shows the three lines it takes.'
          : 'Make the file readable, or name another with --config.',
      },
    );
  }
  return parseCatalog(text, path, env);
}
