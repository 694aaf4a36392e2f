import type { ClickHouseClient } from '@clickhouse/client';
import express, { Router, type Request, type Response } from 'express';
import { z } from 'zod';
import type { Secret } from '#runtime/config.ts';
import { renderError, TributaryError } from '#runtime/errors.ts';
import { parsePlace, placeText } from '../../pipeline/operations/dead-letters.ts';
import type { ChosenLetters, Operator } from '../../pipeline/operations/operator.ts';
import type { OperationsState, ShownLetter } from '../wire.ts';
import { operatorOf, requireOperator } from './credentials.ts';
import { goneSignal } from './gone-signal.ts';
import { HttpProblem } from './http-problem.ts';
import { readOperations } from './operations-state.ts';
import { RateLimit } from './rate-limit.ts';
import { SharedQueries } from './shared-queries.ts';

/** Who does what an operator asks for, and the token that tells an operator. */
export interface OperatorAccess {
  readonly token: Secret;
  readonly operator: Operator;
}

const BODY_LIMIT = '64kb';
const MOST_ACTS = 60;
const ACTS_WINDOW_MS = 60_000;
/** Of a key or a value, as much as a page shows. */
const SHOWN_BYTES = 4_096;
const MOST_PLACES = 100;

const name = z.string().min(1).max(300);
const place = z.string().max(400);
const letters = z.union([
  z.strictObject({ places: z.array(place).min(1).max(MOST_PLACES) }),
  z.strictObject({ topic: name, code: name }),
]);
const table = z.strictObject({ source: name, schema: name, table: name });
const rule = z.strictObject({ rule: name });

/**
 * `/operations`: what there is to do, for everybody who sees the pages; and below it what is done,
 * for who has the token.
 *
 * @param client - of a user who only reads
 */
export function operationRoutes(
  client: ClickHouseClient,
  access: OperatorAccess | undefined,
): Router {
  const router = Router();
  const states = new SharedQueries<OperationsState>();
  router.get('/operations', async (_request, response) => {
    const read = async (signal: AbortSignal) => readOperations(client, signal);
    response.json(await states.get('all', read, goneSignal(response)));
  });
  if (access === undefined) {
    router.use('/operations', () => {
      throw new HttpProblem(404, 'Nobody can operate here: no OPERATOR_TOKEN is set.');
    });
    return router;
  }

  const { token, operator } = access;
  const acts = new RateLimit(MOST_ACTS, ACTS_WINDOW_MS);
  router.use('/operations', requireOperator(token));
  router.get('/operations/token', (_request, response) => {
    response.json({ operator: operatorOf(response) });
  });
  router.use('/operations', (request, _response, next) => {
    const wait = acts.waitSeconds('all');
    if (wait > 0) {
      throw new HttpProblem(429, `Too much at once. Try again in ${wait} s.`, {
        headers: { 'Retry-After': String(wait) },
      });
    }
    acts.count('all');
    // Other kinds of bodies are those that a form of any page can send.
    if (request.is('application/json') === false) throw new HttpProblem(400, 'JSON is expected.');
    next();
  });
  router.use('/operations', express.json({ limit: BODY_LIMIT }));

  router.post('/operations/look', async (request, response) => {
    const { place: text } = parse(z.strictObject({ place }), request);
    response.json(
      await told(async () => shown(await operator.look(parsePlace(text), operatorOf(response)))),
    );
  });
  const act = <Schema extends z.ZodType>(
    path: string,
    schema: Schema,
    work: (asked: z.output<Schema>, by: string) => Promise<void>,
  ) =>
    router.post(path, async (request: Request, response: Response) => {
      const asked = parse(schema, request);
      await told(async () => work(asked, operatorOf(response)));
      response.status(202).json({});
    });
  act('/operations/replay', letters, async (asked, by) => operator.replay(chosen(asked), by));
  act('/operations/discard', letters, async (asked, by) => operator.discard(chosen(asked), by));
  act('/operations/resync', table, async (asked, by) => operator.resync(asked, by));
  act('/operations/repair', rule, async (asked, by) => operator.repair(asked.rule, by));
  return router;
}

function chosen(asked: z.output<typeof letters>): ChosenLetters {
  return 'places' in asked ? { places: asked.places.map(parsePlace) } : asked;
}

function shown({ letter, content }: Awaited<ReturnType<Operator['look']>>): ShownLetter {
  const hex = (bytes: Buffer | null) => bytes?.subarray(0, SHOWN_BYTES).toString('hex') ?? null;
  return {
    place: placeText(letter),
    state: letter.state,
    code: letter.code,
    reason: letter.reason,
    keySize: letter.keySize,
    valueSize: letter.valueSize,
    content: content && {
      headers: content.headers,
      key: hex(content.key),
      value: hex(content.value),
    },
  };
}

/** Tells an operator why not, in the words that the command would use. */
async function told<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof TributaryError)) throw error;
    const status = { OPERATION_REFUSED: 409, DEAD_LETTER_UNKNOWN: 404, CONFIG_INVALID: 422 }[
      error.code as string
    ];
    throw new HttpProblem(status ?? 503, renderError(error), { cause: error });
  }
}

function parse<Schema extends z.ZodType>(schema: Schema, request: Request): z.output<Schema> {
  const parsed = schema.safeParse(request.body);
  if (parsed.success) return parsed.data;
  throw new HttpProblem(400, 'The request does not say what is to be done.');
}
