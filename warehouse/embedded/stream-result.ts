import type { Socket } from 'node:net';
import type { ChdbResult } from 'chdb';
import { Cancellation } from './cancellation.ts';
import type { Lane } from './lane.ts';
import { HELD_BACK_BYTES, MAX_HELD_BACK_BYTES } from './limits.ts';
import type { Summary } from './query-response.ts';
import type { QueryJob, Run } from './run-query.ts';
import { quoteText } from './sql-text.ts';
import type { Statement } from './statement.ts';

/** Formats that are for whoever watches a query run. Their results tell of a failure themselves. */
const TELLS_PROGRESS = /WithProgress$/;

type Outcome = { readonly result: ChdbResult } | { readonly error: unknown };

/**
 * Runs a query and sends its result as it comes.
 *
 * The beginning is held back: a query that fails early is answered with its status, and a small
 * result with its summary. A format with progress is not, since progress is only worth something
 * at once. When the client goes, the query is cancelled.
 *
 * @throws ClickHouseException, or the abort reason
 */
export async function streamResult(
  job: QueryJob,
  lane: Lane,
  statement: Statement,
  run: Run,
): Promise<void> {
  const { request, signal } = job;
  const format = statement.format ?? request.defaultFormat;
  const reader = lane.pipe.open();
  const sql = withOutput(statement, lane.pipe.path, format);
  const outcome = run(lane, sql, format).then(
    (result): Outcome => ({ result }),
    (error: unknown): Outcome => ({ error }),
  );
  const cancellation = new Cancellation(() => job.engine.cancel(lane));
  const onGone = () => cancellation.begin();
  signal.addEventListener('abort', onGone, { once: true });
  if (signal.aborted) onGone();
  void outcome.then(() => {
    cancellation.end();
    lane.pipe.finish();
  });
  try {
    await send(job, reader, outcome, format);
  } catch (error) {
    cancellation.begin();
    throw error;
  } finally {
    signal.removeEventListener('abort', onGone);
    // The lane is busy until the engine has let go of it, whatever became of the client.
    reader.resume();
    await outcome;
    // Nor may a cancellation that comes late hit whoever has the lane next.
    await cancellation.settled;
    reader.destroy();
  }
}

async function send(
  { request, response, signal }: QueryJob,
  reader: Socket,
  outcome: Promise<Outcome>,
  format: string,
): Promise<void> {
  const heldBack: Buffer[] = [];
  const limit = request.waitsForEnd
    ? MAX_HELD_BACK_BYTES
    : TELLS_PROGRESS.test(format)
      ? 0
      : HELD_BACK_BYTES;
  let bytes = 0;
  for await (const chunk of reader.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    signal.throwIfAborted();
    bytes += chunk.length;
    if (response.hasBegun) {
      await response.write(chunk);
      continue;
    }
    heldBack.push(chunk);
    if (bytes < limit) continue;
    response.begin(format);
    await response.write(Buffer.concat(heldBack.splice(0)));
  }
  signal.throwIfAborted();
  const end = await outcome;
  if ('error' in end) throw end.error;
  if (response.hasBegun) await response.end();
  else await response.send(format, Buffer.concat(heldBack), summaryOf(end.result, bytes));
}

/** The statement with its result going into a file, in the place the grammar has for that. */
function withOutput({ text, outputAt, format }: Statement, path: string, other: string): string {
  const clause = ` INTO OUTFILE ${quoteText(path)} TRUNCATE `;
  const rest = text.slice(outputAt);
  return (
    text.slice(0, outputAt) + clause + (format === undefined ? `FORMAT ${other}${rest}` : rest)
  );
}

function summaryOf(result: ChdbResult, bytes: number): Summary {
  return {
    readRows: result.rowsRead,
    readBytes: result.bytesRead,
    writtenRows: 0,
    writtenBytes: 0,
    resultRows: result.rowsRead,
    resultBytes: bytes,
    elapsedSeconds: result.elapsed,
  };
}
