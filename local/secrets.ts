import { randomBytes } from 'node:crypto';
import { chmod, link, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Secret } from '#runtime/config.ts';
import { messageCode, TributaryError } from '#runtime/errors.ts';
import { parsePostgresUrl } from '../pipeline/catalog/postgres-address.ts';

/** Only the owner may read. */
const PRIVATE = 0o600;
const PRIVATE_FOLDER = 0o700;
const PASSWORD_BYTES = 18;

/** A password of the state folder, made at its first use and kept. */
export async function keptPassword(folder: string, name: string): Promise<Secret> {
  const path = join(folder, `${name}.password`);
  try {
    return new Secret((await readFile(path, 'utf8')).trim());
  } catch (error) {
    if (messageCode(error) !== 'ENOENT') throw error;
  }
  await makePrivate(folder);
  const aside = `${path}.${randomBytes(4).toString('hex')}`;
  await writeFile(aside, randomBytes(PASSWORD_BYTES).toString('base64url'), { mode: PRIVATE });
  try {
    // Whole, and only once: of two that make it at the same time, both use the first.
    await link(aside, path);
  } catch (error) {
    if (messageCode(error) !== 'EEXIST') throw error;
  } finally {
    await rm(aside, { force: true });
  }
  return new Secret((await readFile(path, 'utf8')).trim());
}

/**
 * Writes `<source>.properties`, from which Kafka Connect reads where a source is and how to log in,
 * so that no connector configuration holds a secret.
 *
 * @throws TributaryError `CATALOG_INVALID` on a URL that is none
 */
export async function writeSourceSecrets(
  folder: string,
  source: string,
  url: Secret,
): Promise<void> {
  const address = parsePostgresUrl(url.reveal());
  if ('problem' in address) {
    throw new TributaryError('CATALOG_INVALID', `the url of ${source}: ${address.problem}`);
  }
  const { host, port, user, password, database } = address;
  await writeProperties(folder, source, {
    host,
    port: String(port),
    user,
    password,
    dbname: database,
  });
}

/** Writes a Java properties file that only its owner may read. */
export async function writeProperties(
  folder: string,
  name: string,
  properties: Readonly<Record<string, string>>,
): Promise<void> {
  await makePrivate(folder);
  const lines = Object.entries(properties).map(
    ([key, value]) => `${key}=${escapeProperty(value)}\n`,
  );
  await writeFile(join(folder, `${name}.properties`), lines.join(''), { mode: PRIVATE });
}

/** Makes a folder that only its owner may enter; the folders above it stay as open as usual. */
async function makePrivate(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  await chmod(folder, PRIVATE_FOLDER);
}

/** @see java.util.Properties, `load` */
function escapeProperty(value: string): string {
  return value
    .replace(/\\/g, '\\\\')
    .replace(/^ /, '\\ ')
    .replace(/[^\x20-\x7e]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
