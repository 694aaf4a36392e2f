import type { ChdbResult } from 'chdb';
import type { IncomingMessage } from 'node:http';
import { checkAnalystStatement } from './analyst-guard.ts';
import { ClickHouseException, toClickHouseException } from './clickhouse-exception.ts';
import type { DataDirectory } from './engine-config.ts';
import type { Engine, Rights } from './engine.ts';
import type { HttpSessions } from './http-sessions.ts';
import { readIncoming, type IncomingStatement } from './incoming-statement.ts';
import { insertFromFile } from './insert-head.ts';
import { InsertData } from './insert-data.ts';
import type { Lane } from './lane.ts';
import type { LANES } from './limits.ts';
import type { QueryRequest } from './query-request.ts';
import type { QueryResponse, Summary } from './query-response.ts';
import { requestBody } from './request-body.ts';
import type { Statement } from './statement.ts';
import { streamResult } from './stream-result.ts';
import type { User } from './users.ts';

/** One query of one user, and where its answer goes. */
export interface QueryJob {
  readonly engine: Engine;
  readonly sessions: HttpSessions;
  readonly user: User;
  readonly request: QueryRequest;
  readonly incoming: IncomingMessage;
  readonly response: QueryResponse;
  /** Aborts when the client has gone. */
  readonly signal: AbortSignal;
}

/** Runs a query and sends its result. @throws ClickHouseException, or the abort reason */
export async function runQuery(job: QueryJob): Promise<void> {
  const { incoming, request, user } = job;
  const isGet = incoming.method === 'GET' || incoming.method === 'HEAD';
  const body = isGet ? noBody() : requestBody(incoming);
  const asked = await readIncoming(request.query, body);
  if (user.isAnalyst) await checkAnalyst(job, asked);
  if (isGet) refuseWriteByGet(asked);
  if (asked.kind === 'insert') {
    await using data = await InsertData.receive(job.engine.directory, asked.begun, body);
    await onLane(job, 'insert', async (lane, run) => {
      const result = await run(lane, insertFromFile(asked.head, data.path), 'TabSeparated');
      await job.response.send('TabSeparated', Buffer.alloc(0), insertSummary(result, data.bytes));
    });
    return;
  }
  const { statement } = asked;
  refuseMissingParams(statement, request);
  const purpose = statement.kind === 'select' || statement.kind === 'show' ? 'read' : 'write';
  await onLane(job, isGet ? 'get' : purpose, async (lane, run) => {
    if (statement.kind === 'select') await streamResult(job, lane, statement, run);
    else await sendResult(job, lane, statement, run);
    // A SET or a temporary table is over with its request, unless a session keeps it.
    if (statement.kind === 'session' && request.session === undefined) await lane.renew();
  });
}

/** Runs a statement on a lane in the request's context. */
export type Run = (lane: Lane, sql: string, format: string) => Promise<ChdbResult>;

async function onLane(
  { engine, sessions, user, request, signal }: QueryJob,
  purpose: keyof typeof LANES,
  work: (lane: Lane, run: Run) => Promise<void>,
): Promise<void> {
  if (request.session !== undefined) {
    const rights: Rights = user.isAnalyst ? 'analyst' : 'writer';
    await sessions.use(user.name, rights, request.session, (lane) =>
      work(lane, (lane, sql, format) => lane.runKeeping(sql, format, request.context)),
    );
    return;
  }
  await engine.lanes[user.isAnalyst ? 'analyst' : purpose].use(signal, (lane) =>
    work(lane, (lane, sql, format) => lane.run(sql, format, request.context)),
  );
}

async function sendResult(
  job: QueryJob,
  lane: Lane,
  statement: Statement,
  run: Run,
): Promise<void> {
  const format = statement.format ?? job.request.defaultFormat;
  const result = await run(lane, statement.text, format);
  const body = Buffer.from(result.bytes());
  const writes = statement.kind === 'write';
  await job.response.send(format, body, {
    readRows: result.rowsRead,
    readBytes: result.bytesRead,
    writtenRows: writes ? result.rowsRead : 0,
    writtenBytes: writes ? result.bytesRead : 0,
    resultRows: result.rowsRead,
    resultBytes: body.length,
    elapsedSeconds: result.elapsed,
  });
}

function insertSummary(result: ChdbResult, bytes: number): Summary {
  return {
    readRows: result.rowsRead,
    readBytes: bytes,
    writtenRows: result.rowsRead,
    writtenBytes: result.bytesRead,
    resultRows: result.rowsRead,
    resultBytes: result.bytesRead,
    elapsedSeconds: result.elapsed,
  };
}

async function checkAnalyst(job: QueryJob, asked: IncomingStatement): Promise<void> {
  const { request, engine } = job;
  const text = asked.kind === 'insert' ? asked.head.target : asked.statement.text;
  if (asked.kind === 'insert') {
    throw new ClickHouseException(
      164,
      'READONLY',
      `${job.user.name}: Cannot execute query in readonly mode`,
    );
  }
  await checkAnalystStatement(engine, {
    text,
    params: request.context.params,
    database: request.context.database,
    isInSession: request.session !== undefined,
  });
}

function refuseWriteByGet(asked: IncomingStatement): void {
  if (asked.kind === 'statement' && asked.statement.kind !== 'write') return;
  throw new ClickHouseException(
    164,
    'READONLY',
    'Cannot execute query in readonly mode. For queries over HTTP, method GET implies readonly. You should use method POST for modifying queries',
  );
}

/** A connection may still know a parameter of an earlier request; it must not answer for this one. */
function refuseMissingParams(statement: Statement, request: QueryRequest): void {
  for (const name of statement.params) {
    if (request.context.params.has(name)) continue;
    throw new ClickHouseException(
      456,
      'UNKNOWN_QUERY_PARAMETER',
      `Substitution \`${name}\` is not set`,
    );
  }
}

async function* noBody(): AsyncGenerator<Buffer, void> {
  // GET has no body.
}

/** The failure as the client is told it, without our own file names. */
export function clientException(
  error: unknown,
  { scratch, quick }: DataDirectory,
): ClickHouseException {
  const exception = toClickHouseException(error);
  const message = [scratch, quick].reduce(withoutPaths, exception.message);
  return new ClickHouseException(exception.code, exception.type, message);
}

/** The text with paths in this folder replaced by what they are to the client. */
function withoutPaths(text: string, folder: string): string {
  const [before = '', ...others] = text.split(folder);
  return before + others.map((rest) => rest.replace(/^[\w/-]*/, 'the request body')).join('');
}
