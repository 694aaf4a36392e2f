import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import type { SqlLine } from '../wire.ts';
import { parseException } from './clickhouse-problem.ts';

/** Columns, rows and progress, a JSON document a line. */
export const PROGRESS_FORMAT = 'JSONCompactEachRowWithProgress';

const MARK = '__exception__';

/**
 * Lines of a result as they come. Those of {@link PROGRESS_FORMAT} are passed on as they are; of
 * another format, which the statement itself chose, each is a text. A failure in the middle of the
 * result becomes an `error`, and the last.
 */
export async function* resultLines(
  stream: Readable,
  format: string,
): AsyncGenerator<string | SqlLine> {
  const isJson = format === PROGRESS_FORMAT;
  let exception: string[] | undefined;
  try {
    for await (const line of createInterface({ input: stream, crlfDelay: Infinity })) {
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

function exceptionOf(line: string): string {
  return (JSON.parse(line) as { exception: string }).exception;
}

/** Between the marks stand a tag, the message, and its length with the tag again. */
function textOf(lines: readonly string[]): string {
  const end = lines.indexOf(MARK);
  const within = end === -1 ? lines : lines.slice(0, end);
  return within.filter((line) => !/^(\d+ )?[0-9a-f]{16}$|^[a-z]{16}$/.test(line)).join('\n');
}
