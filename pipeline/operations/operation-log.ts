import { randomUUID } from 'node:crypto';
import type { ClickHouseClient } from '@clickhouse/client';
import { describeError } from '#runtime/errors.ts';
import { sinkError } from '../sink/clickhouse-error.ts';

/** Something that a person does to the running pipeline. */
export interface OperationAbout {
  readonly operation: 'replay' | 'discard' | 'look' | 'resync' | 'repair';
  /** What it is done to; never a value of a row. */
  readonly target: string;
  readonly askedBy: string;
  readonly askedVia: 'command' | 'page';
}

/** An operation that was noted and is under way. */
export interface RunningOperation {
  /** Takes note of how it ended. @throws TributaryError `SINK_UNAVAILABLE`, `SINK_REFUSED` */
  end(state: 'done' | 'failed', outcome: string): Promise<void>;
}

/** Names in a target; more are counted. */
const NAMED = 20;

/** What an operation is done to, as people read it. */
export function targetOf(names: readonly string[]): string {
  const named = names.slice(0, NAMED).join(', ');
  return names.length <= NAMED ? named : `${named} and ${names.length - NAMED} more`;
}

/**
 * Takes note in `ops.operations` that an operation begins. What cannot be noted is not to be done.
 *
 * @throws TributaryError `SINK_UNAVAILABLE`, `SINK_REFUSED`
 */
export async function beginOperation(
  client: ClickHouseClient,
  { operation, target, askedBy, askedVia }: OperationAbout,
): Promise<RunningOperation> {
  const row = {
    operation_id: randomUUID(),
    started_at: timeText(),
    operation,
    target,
    asked_by: askedBy,
    asked_via: askedVia,
  };
  const write = async (rest: Record<string, string | null>) => {
    try {
      await client.insert({
        table: 'ops.operations',
        values: [{ ...row, ...rest }],
        format: 'JSONEachRow',
      });
    } catch (error) {
      throw sinkError(error, 'noting an operation');
    }
  };
  await write({ state: 'running', outcome: '', ended_at: null });
  return { end: async (state, outcome) => write({ state, outcome, ended_at: timeText() }) };
}

/**
 * Does an operation, with a note of who did what before it and of what came of it after.
 *
 * @param work - resolves to its result, and what came of it in a sentence that tells no value
 * @throws what `work` throws; TributaryError `SINK_UNAVAILABLE`, `SINK_REFUSED`
 */
export async function recorded<T>(
  client: ClickHouseClient,
  about: OperationAbout,
  work: () => Promise<{ readonly result: T; readonly outcome: string; readonly failed?: boolean }>,
): Promise<T> {
  const running = await beginOperation(client, about);
  try {
    const { result, outcome, failed = false } = await work();
    await running.end(failed ? 'failed' : 'done', outcome);
    return result;
  } catch (error) {
    // The first failure is the one that is told.
    await running.end('failed', describeError(error)).catch(() => undefined);
    throw error;
  }
}

function timeText(): string {
  return new Date().toISOString().replace('T', ' ').replace('Z', '');
}
