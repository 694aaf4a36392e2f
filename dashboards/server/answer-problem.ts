import type { ErrorRequestHandler } from 'express';
import { describeError, isAbort } from '#runtime/errors.ts';
import type { Logger } from '#runtime/log.ts';
import { HttpProblem } from './http-problem.ts';

/** Answers whatever a route throws as `application/problem+json`. Logs names and numbers alone. */
export function answerProblem(log: Logger): ErrorRequestHandler {
  return (error: unknown, request, response, next) => {
    if (isAbort(error)) {
      response.destroy();
      return;
    }
    if (response.headersSent) {
      next(error);
      return;
    }
    const problem = toProblem(error);
    if (problem.status >= 500) {
      const route = (request.route as { path?: unknown } | undefined)?.path;
      log[problem.status === 500 ? 'error' : 'warn'](
        { route, status: problem.status, reason: problem.message, cause: causeOf(problem) },
        'request failed',
      );
    }
    const document = problem.document();
    response
      .status(document.status)
      .set(problem.headers)
      .type('application/problem+json')
      .send(JSON.stringify(document));
  };
}

/** Of a failure inside, what went wrong; what ClickHouse says can quote rows and stays out. */
function causeOf(problem: HttpProblem): string | undefined {
  return problem.status === 500 ? describeError(problem.cause) : undefined;
}

function toProblem(error: unknown): HttpProblem {
  if (error instanceof HttpProblem) return error;
  const status = error instanceof Error && 'status' in error ? error.status : undefined;
  if (status === 413) return new HttpProblem(413, 'That is too long.');
  if (typeof status === 'number' && status >= 400 && status < 500) {
    return new HttpProblem(400, 'The request cannot be read.');
  }
  return new HttpProblem(500, 'Something went wrong here; the log has the reason.', {
    cause: error,
  });
}
