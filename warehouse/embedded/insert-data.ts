import { randomUUID } from 'node:crypto';
import { createWriteStream, rmSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { messageCode } from '#runtime/errors.ts';
import type { DataDirectory } from './engine-config.ts';
import { MAX_BUFFERED_INSERT_BYTES } from './limits.ts';

/** The data of one insert, in a file of its own until it is disposed of. */
export class InsertData implements AsyncDisposable {
  readonly path: string;
  readonly bytes: number;

  private constructor(path: string, bytes: number) {
    this.path = path;
    this.bytes = bytes;
  }

  /**
   * Takes in all data of an insert before it begins, so that a slow sender holds up nobody and a
   * broken one leaves nothing behind. Memory stays small however much comes.
   *
   * @param directory - where small and large data goes while it is needed
   * @param begun - data that was read together with the statement
   * @throws whatever reading or writing fails with
   */
  static async receive(
    directory: Pick<DataDirectory, 'quick' | 'scratch'>,
    begun: Buffer,
    rest: AsyncIterator<Buffer>,
  ): Promise<InsertData> {
    const name = `insert-${randomUUID()}`;
    const path = join(directory.scratch, name);
    const chunks = [begun];
    let bytes = begun.length;
    while (bytes <= MAX_BUFFERED_INSERT_BYTES) {
      const next = await rest.next();
      if (next.done === true) {
        return new InsertData(writeSmall(directory, name, Buffer.concat(chunks)), bytes);
      }
      chunks.push(next.value);
      bytes += next.value.length;
    }
    async function* all() {
      yield* chunks;
      for (let next = await rest.next(); next.done !== true; next = await rest.next()) {
        bytes += next.value.length;
        yield next.value;
      }
    }
    try {
      await pipeline(Readable.from(all()), createWriteStream(path, { mode: 0o600 }));
      return new InsertData(path, bytes);
    } catch (error) {
      await rm(path, { force: true });
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.path, { force: true });
  }
}

/** Writes in one go: for so little that is quicker than a round through the thread pool. */
function writeSmall(
  directory: Pick<DataDirectory, 'quick' | 'scratch'>,
  name: string,
  data: Buffer,
): string {
  const quick = join(directory.quick, name);
  try {
    writeFileSync(quick, data, { mode: 0o600 });
    return quick;
  } catch (error) {
    // Memory for files can be small, as in containers.
    if (messageCode(error) !== 'ENOSPC') throw error;
    rmSync(quick, { force: true });
    const path = join(directory.scratch, name);
    writeFileSync(path, data, { mode: 0o600 });
    return path;
  }
}
