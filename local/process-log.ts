import { mkdir, open, rename, stat, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';

/** A log beyond this size is put aside when its process starts the next time. */
const ROTATE_BYTES = 16 * 1024 ** 2;
/** Bytes that are read to find the last lines. */
const TAIL_BYTES = 32 * 1024;

/** A log file, open for a process to write to. */
export interface OpenLog {
  readonly file: FileHandle;
  /** Size at the start: what this run writes begins here. */
  readonly from: number;
}

/** Opens a log for appending; a big one first becomes `<path>.1`, in place of the one before. */
export async function openLog(path: string): Promise<OpenLog> {
  await mkdir(dirname(path), { recursive: true });
  const size = await sizeOf(path);
  if (size > ROTATE_BYTES) await rename(path, `${path}.1`);
  return { file: await open(path, 'a'), from: size > ROTATE_BYTES ? 0 : size };
}

/** The last lines that were written after `from`; none when there is no log. */
export async function lastLines(path: string, from: number, lines: number): Promise<string[]> {
  const size = await sizeOf(path);
  const start = Math.max(from, size - TAIL_BYTES);
  if (size <= start) return [];
  const file = await open(path);
  try {
    const { buffer, bytesRead } = await file.read({
      buffer: Buffer.alloc(size - start),
      position: start,
    });
    const text = buffer.toString('utf8', 0, bytesRead).trim();
    return text === '' ? [] : text.split('\n').slice(-lines);
  } finally {
    await file.close();
  }
}

async function sizeOf(path: string): Promise<number> {
  return stat(path).then(
    ({ size }) => size,
    () => 0,
  );
}
