import type { Request } from 'express';
import { z } from 'zod';
import type { Logger } from '#runtime/log.ts';
import { Problem } from './problem.ts';

/** A request after its parts were checked. */
export interface RouteRequest<Params, Query, Body> {
  readonly params: Params;
  readonly query: Query;
  readonly body: Body;
  /** Version the caller last read (`If-Match: "7"`), when it cares. */
  readonly ifMatch: number | undefined;
  /** Aborts when the caller hangs up. */
  readonly signal: AbortSignal;
  readonly log: Logger;
}

/** What a route answers. */
export interface Reply {
  readonly status: number;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** One operation of an API, as data: the app mounts it, a document can be made of it. */
export interface Route {
  readonly method: 'get' | 'post' | 'put' | 'patch' | 'delete';
  /** Express path, parameters as `:name`. */
  readonly path: string;
  /** What it does, in a few words. */
  readonly summary: string;
  readonly params: z.ZodType;
  readonly query: z.ZodType;
  /** Undefined when the operation takes no body. */
  readonly body: z.ZodType | undefined;
  /** Body of the answer to a request that went well; undefined when it has none. */
  readonly reply: z.ZodType | undefined;
  /** Checks the request against the schemas and answers it. */
  answer(request: Request, context: { signal: AbortSignal; log: Logger }): Promise<Reply>;
}

const NOTHING = z.strictObject({});
const VERSION_TAG = /^(?:W\/)?"(\d{1,9})"$/;

/** Declares an operation; a part without schema must be empty. */
export function route<
  Params extends z.ZodType = typeof NOTHING,
  Query extends z.ZodType = typeof NOTHING,
  Body extends z.ZodType = z.ZodUndefined,
>(definition: {
  method: Route['method'];
  path: string;
  summary: string;
  params?: Params;
  query?: Query;
  body?: Body;
  reply?: z.ZodType;
  handle: (
    request: RouteRequest<z.output<Params>, z.output<Query>, z.output<Body>>,
  ) => Promise<Reply>;
}): Route {
  const { method, path, summary, body, reply, handle } = definition;
  const params: z.ZodType = definition.params ?? NOTHING;
  const query: z.ZodType = definition.query ?? NOTHING;
  return {
    method,
    path,
    summary,
    params,
    query,
    body,
    reply,
    answer: async (request, context) => {
      if (body !== undefined) requireJson(request);
      const issues: z.core.$ZodIssue[] = [];
      const check = (schema: z.ZodType, part: string, value: unknown) => {
        const result = schema.safeParse(value);
        if (result.success) return result.data;
        issues.push(
          ...result.error.issues.map((issue) => ({ ...issue, path: [part, ...issue.path] })),
        );
        return undefined;
      };
      const checked = {
        params: check(params, 'path', request.params),
        query: check(query, 'query', request.query),
        body: body === undefined ? undefined : check(body, 'body', request.body),
      };
      if (issues.length > 0) throw invalidRequest(issues);
      return handle({
        ...(checked as RouteRequest<z.output<Params>, z.output<Query>, z.output<Body>>),
        ifMatch: readVersion(request.get('if-match')),
        signal: context.signal,
        log: context.log,
      });
    },
  };
}

/** 200 with a body. */
export function ok(body: unknown): Reply {
  return { status: 200, body };
}

/** 200 (or 201) with a row that can be changed; its version goes in the `ETag`. */
export function versioned(row: { version: number }, status: 200 | 201 = 200): Reply {
  return { status, body: row, headers: { ETag: `"${row.version}"` } };
}

function requireJson(request: Request): void {
  if (request.is('application/json') !== false && request.body !== undefined) return;
  throw new Problem(
    'unsupported-media-type',
    'This request needs a JSON body and the header Content-Type: application/json.',
  );
}

function invalidRequest(issues: readonly z.core.$ZodIssue[]): Problem {
  return new Problem('bad-request', 'The request is not as it should be; see errors.', {
    extras: {
      errors: issues.map(({ path: [part, ...path], message }) => ({
        in: String(part),
        path: path.map((step) => `/${String(step)}`).join(''),
        message,
      })),
    },
  });
}

function readVersion(header: string | undefined): number | undefined {
  if (header === undefined || header === '*') return undefined;
  const digits = VERSION_TAG.exec(header)?.[1];
  if (digits === undefined) {
    throw new Problem('bad-request', 'If-Match needs one ETag as this service sends it.');
  }
  return Number(digits);
}
