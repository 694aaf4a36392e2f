import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';

const WEB = fileURLToPath(new URL('../web/', import.meta.url));

/** A file that pages load. */
export interface Asset {
  readonly body: Buffer;
  readonly gzipped: Buffer;
  readonly type: string;
}

/** What the pages are made of. */
export interface Bundle {
  /** Files by the last part of their address, which changes whenever they do. */
  readonly assets: ReadonlyMap<string, Asset>;
  /** Address of the file that an entry became, e.g. `sql-page.js`. */
  address(entry: string): string;
}

const TYPES: Readonly<Record<string, string>> = {
  js: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
  svg: 'image/svg+xml',
};

/**
 * Makes the files of the pages from `web/`: a few hundred milliseconds, once at start.
 *
 * @throws esbuild's error, which names file and line
 */
export async function bundlePages(): Promise<Bundle> {
  const { outputFiles, metafile } = await build({
    absWorkingDir: WEB,
    entryPoints: [
      'dashboard-page.ts',
      'operations-page.ts',
      'sql-page.ts',
      'style.css',
      'icon.svg',
    ],
    outdir: 'out',
    entryNames: '[name]-[hash]',
    chunkNames: 'part-[hash]',
    loader: { '.svg': 'copy' },
    bundle: true,
    splitting: true,
    format: 'esm',
    target: 'es2022',
    minify: true,
    write: false,
    metafile: true,
    legalComments: 'none',
    logLevel: 'silent',
  });
  const assets = new Map(
    outputFiles.map(({ path, contents }) => {
      const name = nameOf(path);
      const body = Buffer.from(contents);
      const type = TYPES[name.split('.').at(-1) ?? ''] ?? 'application/octet-stream';
      return [name, { body, gzipped: gzipSync(body), type }];
    }),
  );
  const byEntry = new Map(
    Object.entries(metafile.outputs).flatMap(([path, { entryPoint }]) =>
      entryPoint === undefined ? [] : [[entryPoint.replace(/\.ts$/, '.js'), nameOf(path)]],
    ),
  );
  return {
    assets,
    address: (entry) => {
      const name = byEntry.get(entry);
      if (name === undefined) throw new Error(`no entry ${entry} in the bundle`);
      return `/assets/${name}`;
    },
  };
}

function nameOf(path: string): string {
  return path.split(/[/\\]/).at(-1) ?? path;
}
