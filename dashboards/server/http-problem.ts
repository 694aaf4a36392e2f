import { STATUS_CODES } from 'node:http';
import type { ProblemDocument } from '../wire.ts';

/**
 * A request that ends in an error answer. Throw it anywhere below a route; the app answers it as
 * `application/problem+json` (RFC 9457). The detail is shown to the caller: no stack, no secret.
 */
export class HttpProblem extends Error {
  readonly status: number;
  readonly extras: Partial<ProblemDocument>;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    status: number,
    detail: string,
    options: {
      extras?: Partial<ProblemDocument>;
      headers?: Readonly<Record<string, string>>;
      cause?: unknown;
    } = {},
  ) {
    super(detail, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'HttpProblem';
    this.status = status;
    this.extras = options.extras ?? {};
    this.headers = options.headers ?? {};
  }

  /** The body of the answer. */
  document(): ProblemDocument {
    return {
      ...this.extras,
      type: 'about:blank',
      title: STATUS_CODES[this.status] ?? 'Error',
      status: this.status,
      detail: this.message,
    };
  }
}

/** A thing that is not there; `what` is a noun such as `panel`. */
export function notFound(what: string): HttpProblem {
  return new HttpProblem(404, `There is no such ${what}.`);
}

/** Something that comes back by itself; the caller is told to try again in a second. */
export function unavailable(detail: string, cause: unknown): HttpProblem {
  return new HttpProblem(503, detail, { cause, headers: { 'Retry-After': '1' } });
}
