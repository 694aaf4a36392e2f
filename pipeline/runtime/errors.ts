import { ERROR_CODES, type Disposition, type ErrorCode } from './error-codes.ts';

/** Facts about a failure that are safe to log: names and numbers, never row values or secrets. */
export type ErrorContext = Readonly<Record<string, string | number | boolean | undefined>>;

/**
 * A failure with a name.
 *
 * The message says what happened; the code's entry in `error-codes.ts` says why and what to do.
 * Neither message nor context may hold a row value or a secret.
 */
export class TributaryError extends Error {
  readonly code: ErrorCode;
  readonly context: ErrorContext;
  /** What to do, when this failure knows better than its code's general advice. */
  readonly fix: string;

  constructor(
    code: ErrorCode,
    message: string,
    options: { cause?: unknown; context?: ErrorContext; fix?: string } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'TributaryError';
    this.code = code;
    this.context = options.context ?? {};
    this.fix = options.fix ?? ERROR_CODES[code].fix;
  }
}

/** True for the error an aborted operation rejects with, whoever threw it. */
export function isAbort(error: unknown): boolean {
  return (
    error instanceof Error && (error.name === 'AbortError' || messageCode(error) === 'ABORT_ERR')
  );
}

/**
 * Decides what to do about any thrown value. Total: never throws, and what it does not know halts,
 * because carrying on after an unknown failure is how rows get lost.
 */
export function dispositionOf(error: unknown): Disposition {
  if (isAbort(error)) return 'stop';
  if (error instanceof TributaryError) return ERROR_CODES[error.code].disposition;
  return 'halt';
}

/** `error.code` of a Node or driver error, when it has one. */
export function messageCode(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  const { code } = error;
  return typeof code === 'string' || typeof code === 'number' ? String(code) : undefined;
}

/** What went wrong in one line, also for values that are not errors and for aggregates. */
export function describeError(error: unknown): string {
  if (error instanceof AggregateError && error.message === '') {
    return error.errors.map(describeError).join('; ');
  }
  if (error instanceof Error)
    return error.message === '' ? (messageCode(error) ?? error.name) : error.message;
  return String(error);
}

/** The text a person sees when a command fails: what, and what to do. */
export function renderError(error: unknown): string {
  if (error instanceof TributaryError) return `${error.message}\n  → ${error.fix} [${error.code}]`;
  return describeError(error);
}
