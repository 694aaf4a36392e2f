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
  #held: number | undefined;

  constructor(path: string) {
    this.path = path;
  }

  /**
   * Begins to read. The pipe stays open at both ends until {@link finish}, however often the engine
   * opens and closes it: opening a pipe that nobody reads blocks for ever. So somebody must go on
   * reading until then, even when nobody wants the result any more.
   */
  open(): Socket {
    const fd = openSync(this.path, constants.O_RDONLY | constants.O_NONBLOCK);
    this.#held = openSync(this.path, constants.O_RDWR | constants.O_NONBLOCK);
    return new Socket({ fd, readable: true, writable: false });
  }

  /** Call when the query has ended: the reader then comes to its end too. */
  finish(): void {
    if (this.#held !== undefined) closeSync(this.#held);
    this.#held = undefined;
  }
}
