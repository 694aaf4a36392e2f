import type { Readable } from 'node:stream';
import type { SqlLine } from '../wire.ts';
import { parseException } from './clickhouse-problem.ts';

/** Columns, rows and progress, a JSON document a line. */
export const PROGRESS_FORMAT = 'JSONCompactEachRowWithProgress';

const MARK = '__exception__';
/** Pieces of an answer that wait to be looked at before no more are taken. */
const MOST_PIECES = 64;

/**
 * Lines of a result as they come. Those of {@link PROGRESS_FORMAT} are passed on as they are; of
 * another format, which the statement itself chose, each is a text. A failure in the middle of the
 * result becomes an `error`, and the last.
 *
 * @throws what the stream fails with, when no reason came before it broke off
 */
export async function* resultLines(
  stream: Readable,
  format: string,
): AsyncGenerator<string | SqlLine> {
  const isJson = format === PROGRESS_FORMAT;
  let exception: string[] | undefined;
  try {
    for await (const line of linesOf(stream)) {
      if (exception !== undefined) exception.push(line);
      else if (line === MARK) exception = [];
      else if (!isJson) yield { text: line };
      else if (line.startsWith('{"exception"')) exception = [exceptionOf(line)];
      else if (line !== '') yield line;
    }
  } catch (error) {
    // The connection breaks off after an exception.
    if (exception === undefined) throw error;
  }
  if (exception !== undefined) yield { error: parseException(textOf(exception)) };
}

async function* linesOf(stream: Readable): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const piece of piecesOf(stream)) {
    const lines = (rest + decoder.decode(piece, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) yield line.replace(/\r$/, '');
  }
  if (rest !== '') yield rest;
}

/**
 * Pieces of a stream in the order they come. Unlike the stream's own iterator it hands out what came
 * before a failure, because the reason of the failure is in it.
 */
async function* piecesOf(stream: Readable): AsyncGenerator<Buffer> {
  const pieces: Buffer[] = [];
  let end: { readonly error?: Error } | undefined;
  let wake = () => {};
  stream.on('data', (piece: Buffer) => {
    pieces.push(piece);
    if (pieces.length >= MOST_PIECES) stream.pause();
    wake();
  });
  stream.once('end', () => {
    end = {};
    wake();
  });
  stream.once('error', (error: Error) => {
    end = { error };
    wake();
  });
  stream.once('close', () => {
    end ??= { error: new Error('the answer broke off') };
    wake();
  });
  for (;;) {
    const piece = pieces.shift();
    if (piece !== undefined) {
      yield piece;
      continue;
    }
    if (end !== undefined) break;
    stream.resume();
    await new Promise<void>((resolve) => {
      wake = resolve;
    });
  }
  if (end.error !== undefined) throw end.error;
}

function exceptionOf(line: string): string {
  return (JSON.parse(line) as { exception: string }).exception;
}

/** Between the marks stand a tag, the message, and its length with the tag again. */
function textOf(lines: readonly string[]): string {
  const end = lines.indexOf(MARK);
  const within = end === -1 ? lines : lines.slice(0, end);
  return within.filter((line) => !/^(\d+ )?([0-9a-f]{16}|[a-z]{16})$/.test(line)).join('\n');
}
