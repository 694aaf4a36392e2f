import { STATUS_CODES } from 'node:http';

/** Kinds of problem a service answers with; the last part of the problem's `type` URN. */
export const PROBLEM_STATUS = {
  'bad-request': 400,
  'payment-declined': 402,
  'not-found': 404,
  'method-not-allowed': 405,
  conflict: 409,
  'version-mismatch': 412,
  'body-too-large': 413,
  'unsupported-media-type': 415,
  'rule-violated': 422,
  'internal-error': 500,
  'dependency-unavailable': 503,
  'service-unavailable': 503,
} as const;

/** Name of a problem kind. */
export type ProblemKind = keyof typeof PROBLEM_STATUS;

/** What the body says besides the standard members. */
export type ProblemExtras = Readonly<Record<string, unknown>>;

/** An RFC 9457 problem document. */
export interface ProblemDocument {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly [extra: string]: unknown;
}

/**
 * A request that ends in an error answer. Throw it anywhere below a route; the app answers it as
 * `application/problem+json`. The detail is shown to the caller: no SQL, no stack, no secret.
 */
export class Problem extends Error {
  readonly kind: ProblemKind;
  readonly extras: ProblemExtras;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    kind: ProblemKind,
    detail: string,
    options: {
      extras?: ProblemExtras;
      headers?: Readonly<Record<string, string>>;
      cause?: unknown;
    } = {},
  ) {
    super(detail, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'Problem';
    this.kind = kind;
    this.extras = options.extras ?? {};
    this.headers = options.headers ?? {};
  }

  get status(): number {
    return PROBLEM_STATUS[this.kind];
  }

  /** The body of the answer. */
  document(): ProblemDocument {
    return {
      ...this.extras,
      type: `urn:tributary:problem:${this.kind}`,
      title: STATUS_CODES[this.status] ?? 'Error',
      status: this.status,
      detail: this.message,
    };
  }
}

/** A thing that is not there; `what` is a noun such as `user`. */
export function notFound(what: string): Problem {
  return new Problem('not-found', `There is no such ${what}.`);
}

/** Something that comes back by itself; the caller is told to try again in a second. */
export function unavailable(
  kind: 'dependency-unavailable' | 'service-unavailable',
  detail: string,
  options: { extras?: ProblemExtras; cause?: unknown } = {},
): Problem {
  return new Problem(kind, detail, { ...options, headers: { 'Retry-After': '1' } });
}
