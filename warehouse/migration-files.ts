import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { TributaryError } from '#runtime/errors.ts';

/** One file of `migrations/`. */
export interface MigrationFile {
  /** File name without `.sql`, e.g. `001_ops`; files are applied in the order of their names. */
  readonly name: string;
  readonly statements: readonly string[];
  /** SHA-256 of the file, hexadecimal. */
  readonly checksum: string;
}

const FOLDER = new URL('migrations/', import.meta.url);
const FILE_NAME = /^(\d{3}_[a-z0-9_]+)\.sql$/;

/**
 * Reads the migrations in order.
 *
 * @throws TributaryError `MIGRATION_FAILED` for a file with another name, or two of one number
 */
export async function readMigrationFiles(folder: URL = FOLDER): Promise<MigrationFile[]> {
  const files: MigrationFile[] = [];
  const numbers = new Set<string>();
  for (const file of (await readdir(folder)).sort()) {
    const name = FILE_NAME.exec(file)?.[1];
    const number = name?.slice(0, 3);
    if (name === undefined || number === undefined || numbers.has(number)) {
      throw new TributaryError(
        'MIGRATION_FAILED',
        `${file} in warehouse/migrations is not named NNN_name.sql with a number of its own`,
        { fix: 'Rename the file.' },
      );
    }
    numbers.add(number);
    const text = await readFile(new URL(file, folder), 'utf8');
    files.push({
      name,
      statements: splitStatements(text),
      checksum: createHash('sha256').update(text).digest('hex'),
    });
  }
  return files;
}

/** Cuts at the semicolons outside of quotes and comments; comments go. */
export function splitStatements(text: string): string[] {
  const pieces = /'(?:[^'\\]|\\.)*'|`(?:[^`\\]|\\.)*`|--[^\n]*|\/\*.*?\*\/|;|[^'`;/-]+|[/-]/gs;
  const statements = [''];
  for (const [piece] of text.matchAll(pieces)) {
    if (piece === ';') statements.push('');
    else if (piece.startsWith('--') || piece.startsWith('/*'))
      statements.push(`${statements.pop() ?? ''} `);
    else statements.push((statements.pop() ?? '') + piece);
  }
  return statements.map((statement) => statement.trim()).filter((statement) => statement !== '');
}
