import { ClickHouseError } from '@clickhouse/client';
import { HttpProblem, unavailable } from './http-problem.ts';
import { describeError } from '#runtime/errors.ts';
import type { SqlError } from '../wire.ts';

/** UNKNOWN_TABLE, UNKNOWN_DATABASE. */
const ABSENT = new Set([60, 81]);

/** What ClickHouse says of a statement, with the place of the fault when it names one. */
export function sqlErrorOf(error: unknown): SqlError {
  if (!(error instanceof ClickHouseError)) {
    return {
      code: 0,
      name: 'UNAVAILABLE',
      message: `The warehouse does not answer: ${describeError(error)}`,
    };
  }
  return sqlError(Number(error.code), error.type ?? 'UNKNOWN', error.message);
}

const TEXT =
  /Code: (\d+)\. DB::Exception: ([\s\S]*?) ?(?:\(([A-Z][A-Z0-9_]*)\))? ?(?:\(version [^)]*\))?\s*$/;

/** The same from the text of an exception that came in the middle of a result. */
export function parseException(text: string): SqlError {
  const [, code, message, name] = TEXT.exec(text) ?? [];
  return sqlError(Number(code ?? 0), name ?? 'UNKNOWN', message ?? 'The query failed.');
}

function sqlError(code: number, name: string, text: string): SqlError {
  const message = text.replace(/\s*Expected one of:[\s\S]*$/, '').trim();
  const place = /\(line (\d+), col (\d+)\)/.exec(text);
  const start = /failed at position (\d+)/.exec(text);
  const [line, column] =
    place === null ? [start === null ? undefined : 1, start?.[1]] : [place[1], place[2]];
  return {
    code,
    name,
    message,
    ...(line === undefined || column === undefined
      ? {}
      : { line: Number(line), column: Number(column) }),
  };
}

/**
 * Answer for a panel's query that failed. Of ClickHouse's text only number and name go out: the
 * rest may quote values of rows.
 */
export function panelProblem(error: unknown): HttpProblem {
  if (!(error instanceof ClickHouseError)) {
    return unavailable('The warehouse does not answer.', error);
  }
  const code = Number(error.code);
  const name = error.type ?? 'UNKNOWN';
  if (ABSENT.has(code)) {
    return new HttpProblem(404, 'Nothing has arrived from the sources of this panel yet.', {
      extras: { waiting: true },
    });
  }
  return unavailable(`ClickHouse refused the query: ${name} (${code}).`, error);
}
