import { once } from 'node:events';
import type { Readable } from 'node:stream';
import type { ClickHouseClient, DataFormat } from '@clickhouse/client';
import express, { Router, type Response } from 'express';
import { z } from 'zod';
import { isAbort } from '#runtime/errors.ts';
import { HttpProblem } from './http-problem.ts';
import type { SqlError, SqlLine, SqlRequest } from '../wire.ts';
import { panelProblem, sqlErrorOf } from './clickhouse-problem.ts';
import { DOWNLOAD_ENDINGS, DOWNLOAD_SETTINGS, DOWNLOADS, sendDownload } from './downloads.ts';
import { goneSignal } from './gone-signal.ts';
import { readSchema } from './schema.ts';
import { SharedQueries } from './shared-queries.ts';
import { resultLines, PROGRESS_FORMAT } from './result-lines.ts';
import { enterTurnstile } from './enter-turnstile.ts';
import { Turnstile } from './turnstile.ts';

/** Queries side by side: fewer than the warehouse runs for an analyst, so that panels go on. */
const SIDE_BY_SIDE = 2;
const MOST_WAITING = 8;
const BODY_LIMIT = '1mb';
/** Rows that a page gets to see; a download has them all. */
const SHOWN_ROWS = 20_000;

const sqlRequest = z.object({
  sql: z.string().min(1).max(500_000),
  params: z.record(z.string().regex(/^[A-Za-z_]\w*$/), z.string().max(10_000)).default({}),
});

const downloadRequest = z.object({
  sql: sqlRequest.shape.sql,
  params: z
    .string()
    .default('{}')
    .transform((text, context) => {
      try {
        return JSON.parse(text) as unknown;
      } catch {
        context.addIssue('is not JSON');
        return z.NEVER;
      }
    })
    .pipe(sqlRequest.shape.params),
  as: z.enum(DOWNLOAD_ENDINGS),
});

/** The SQL page's routes: run, download, schema. All of it as the user of the client. */
export function sqlRoutes(client: ClickHouseClient): Router {
  const router = Router();
  const turnstile = new Turnstile(SIDE_BY_SIDE, MOST_WAITING);
  const schemas = new SharedQueries<Awaited<ReturnType<typeof readSchema>>>();

  router.get('/sql/schema', async (_request, response) => {
    try {
      const read = async (signal: AbortSignal) => readSchema(client, signal);
      response.json(await schemas.get('schema', read, goneSignal(response)));
    } catch (error) {
      throw isAbort(error) ? error : panelProblem(error);
    }
  });

  router.post('/sql/run', express.json({ limit: BODY_LIMIT }), async (request, response) => {
    const query = parse(sqlRequest, request.body);
    const signal = goneSignal(response);
    const leave = await enterTurnstile(turnstile, signal);
    try {
      const began = performance.now();
      const answer = await start(client, query, PROGRESS_FORMAT, signal);
      response.set({ 'Content-Type': 'application/x-ndjson', 'Cache-Control': 'no-store' });
      await writeLines(response, answer, began, signal);
    } finally {
      leave();
    }
  });

  router.post(
    '/sql/download',
    express.urlencoded({ limit: BODY_LIMIT, extended: false }),
    async (request, response) => {
      const { as, ...query } = parse(downloadRequest, request.body);
      const signal = goneSignal(response);
      const leave = await enterTurnstile(turnstile, signal);
      try {
        const { stream } = await start(client, query, DOWNLOADS[as].format, signal);
        await sendDownload(response, stream, { name: 'query', as });
      } finally {
        leave();
      }
    },
  );
  return router;
}

interface Answer {
  readonly stream: Readable;
  /** Format of the rows: what was asked for, unless the statement names another. */
  readonly format: string;
}

/** @throws HttpProblem with ClickHouse's words: whoever wrote the statement is who reads them */
async function start(
  client: ClickHouseClient,
  { sql, params }: SqlRequest,
  format: string,
  signal: AbortSignal,
): Promise<Answer> {
  try {
    const { stream, response_headers: headers } = await client.exec({
      query: sql,
      query_params: params,
      abort_signal: signal,
      clickhouse_settings: {
        // The client does not know all formats that ClickHouse has.
        default_format: format as DataFormat,
        ...DOWNLOAD_SETTINGS,
      },
    });
    return { stream, format: String(headers['x-clickhouse-format'] ?? format) };
  } catch (error) {
    if (isAbort(error) || signal.aborted) throw error;
    throw refused(sqlErrorOf(error));
  }
}

function refused(error: SqlError): HttpProblem {
  return new HttpProblem(error.code === 0 ? 503 : 422, error.message, {
    extras: { error },
  });
}

async function writeLines(
  response: Response,
  { stream, format }: Answer,
  began: number,
  signal: AbortSignal,
): Promise<void> {
  const send = async (line: SqlLine | string) => {
    const text = typeof line === 'string' ? line : JSON.stringify(line);
    if (!response.write(`${text}\n`)) await once(response, 'drain', { signal });
  };
  const end = { rows: 0, truncated: false };
  try {
    for await (const line of resultLines(stream, format)) {
      if (typeof line !== 'string' && 'error' in line) {
        await send(line);
        response.end();
        return;
      }
      const isRow = typeof line === 'string' ? line.startsWith('{"row"') : 'text' in line;
      if (isRow && end.rows === SHOWN_ROWS) {
        end.truncated = true;
        break;
      }
      if (isRow) end.rows += 1;
      await send(line);
    }
    await send({ done: { ...end, elapsedMs: Math.round(performance.now() - began) } });
  } catch (error) {
    if (isAbort(error) || signal.aborted) throw error;
    await send({ error: sqlErrorOf(error) });
  } finally {
    stream.destroy();
  }
  response.end();
}

function parse<Schema extends z.ZodType>(schema: Schema, body: unknown): z.output<Schema> {
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new HttpProblem(400, `${issue?.path.join('.') ?? 'body'}: ${issue?.message ?? 'is bad'}`);
}
