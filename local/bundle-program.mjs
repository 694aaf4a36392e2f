/*
 * Makes one JavaScript file of a TypeScript program of this checkout, and keeps it until one of its
 * sources changes. Compiling and finding a hundred small files anew costs every process most of a
 * second of a core, and a dozen of them start at once.
 *
 * Plain JavaScript: it runs before anything can read TypeScript.
 */
import { mkdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const ROOT = resolve(import.meta.dirname, '..');
/** In the checkout, because packages are looked for from there upwards. */
const FOLDER = join(ROOT, '.tributary', 'programs');

/**
 * Path of the file that a program was made into.
 *
 * @param {string} entry - relative to the checkout
 * @returns {Promise<string>}
 * @throws esbuild's error, which names file and line
 */
export async function bundleProgram(entry) {
  const file = join(FOLDER, `${entry.replaceAll('/', '.').replace(/\.ts$/, '')}.mjs`);
  const stamp = `${file}.sources.json`;
  if (await isUpToDate(stamp)) return file;
  // Only now: most processes find their program made.
  const { build, stop } = await import('esbuild');
  const began = Date.now();
  const { outputFiles, metafile } = await build({
    absWorkingDir: ROOT,
    entryPoints: [entry],
    outfile: file,
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    target: 'node20',
    sourcemap: 'linked',
    plugins: [asFromItsOwnPlace],
    write: false,
    metafile: true,
    logLevel: 'silent',
  });
  // It has a process of its own, which would stay as long as this one.
  await stop();
  await mkdir(FOLDER, { recursive: true });
  for (const { path, contents } of outputFiles) await replaceFile(path, contents);
  const sources = Object.keys(metafile.inputs);
  const changes = await Promise.all(sources.map(changeOf));
  // Whatever was written while this read it may be in neither state.
  if (changes.every((at) => at < began)) {
    const known = Object.fromEntries(sources.map((source, index) => [source, changes[index]]));
    await replaceFile(stamp, JSON.stringify(known));
  }
  return file;
}

async function isUpToDate(stamp) {
  try {
    const known = JSON.parse(await readFile(stamp, 'utf8'));
    const changes = await Promise.all(Object.keys(known).map(changeOf));
    return Object.values(known).every((at, index) => at === changes[index]);
  } catch {
    // Never made, or a source of it is gone.
    return false;
  }
}

async function changeOf(source) {
  return (await stat(join(ROOT, source))).mtimeMs;
}

/** Several may make the same program at once: none may read half of it. */
async function replaceFile(path, contents) {
  const aside = `${path}-${process.pid}`;
  await writeFile(aside, contents);
  await rename(aside, path);
}

/** Modules find files beside them: where the source is, not where the program is. */
const asFromItsOwnPlace = {
  name: 'as-from-its-own-place',
  setup(build) {
    build.onLoad({ filter: /\.ts$/ }, async ({ path }) => {
      const text = await readFile(path, 'utf8');
      if (!text.includes('import.meta.')) return undefined;
      const contents = text
        .replaceAll('import.meta.url', JSON.stringify(pathToFileURL(path).href))
        .replaceAll('import.meta.dirname', JSON.stringify(dirname(path)));
      return { contents, loader: 'ts' };
    });
  },
};
