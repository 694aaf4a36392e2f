import { execFile } from 'node:child_process';
import { closeSync, constants, openSync } from 'node:fs';
import { Socket } from 'node:net';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Makes named pipes, all at once because each costs a process. */
export async function makePipes(paths: readonly string[]): Promise<void> {
  await run('mkfifo', ['-m', '600', ...paths]);
}

/**
 * The way of a result out of the engine: a named pipe that the engine writes as `INTO OUTFILE`.
 *
 * The engine's own streaming call is no choice: it plans the query on the calling thread, so that
 * one expensive subquery would stop the whole server, and it closes and opens the format at every
 * block, which breaks JSON and Parquet. A pipe has neither fault, and a slow reader slows the
 * query down instead of filling memory.
 */
export class ResultPipe {
  readonly path: string;
  #reader: Socket | undefined;

  constructor(path: string) {
    this.path = path;
  }

  /** Begins to read. Do this before the query starts, which cannot open the pipe before. */
  open(): Socket {
    const fd = openSync(this.path, constants.O_RDONLY | constants.O_NONBLOCK);
    this.#reader = new Socket({ fd, readable: true, writable: false });
    return this.#reader;
  }

  /** Call when the query has ended: a query that never opened the pipe leaves its reader waiting. */
  finish(): void {
    const reader = this.#reader;
    this.#reader = undefined;
    if (reader === undefined || reader.destroyed) return;
    try {
      // A writer that comes and goes is what ends a pipe.
      closeSync(openSync(this.path, constants.O_WRONLY | constants.O_NONBLOCK));
    } catch {
      // ENXIO: nobody reads any more, so there is nobody to tell.
    }
  }
}
