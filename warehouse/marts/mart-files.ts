import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { splitStatements } from '../migration-files.ts';

/** A mart: one view over tables of sources. */
export interface MartFile {
  /** Name of the file without `.sql`, and of the view in database `marts`. */
  readonly name: string;
  /** Tables that it reads, `<source>.<table>`. */
  readonly needs: readonly string[];
  /** Makes the view, or replaces it. */
  readonly statement: string;
  /** SHA-256 of the file, hexadecimal. */
  readonly checksum: string;
}

const FOLDER = new URL('./', import.meta.url);
const NEEDS = /^-- needs: (.+)$/m;

/**
 * Reads the marts, in the order of their names.
 *
 * @throws Error for a file that does not say what it needs, or is more than one statement
 */
export async function readMartFiles(folder: URL = FOLDER): Promise<MartFile[]> {
  const names = (await readdir(folder)).filter((file) => file.endsWith('.sql')).sort();
  return Promise.all(
    names.map(async (file) =>
      parseMart(file.slice(0, -'.sql'.length), await readFile(new URL(file, folder), 'utf8')),
    ),
  );
}

function parseMart(name: string, text: string): MartFile {
  const needs = NEEDS.exec(text)?.[1]
    ?.split(',')
    .map((table) => table.trim());
  const [statement, ...more] = splitStatements(text);
  if (needs === undefined || statement === undefined || more.length > 0) {
    throw new Error(`warehouse/marts/${name}.sql must have one line "-- needs:" and one statement`);
  }
  return { name, needs, statement, checksum: createHash('sha256').update(text).digest('hex') };
}
