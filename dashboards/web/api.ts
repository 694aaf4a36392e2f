import type { ProblemDocument } from '../wire.ts';

/** An answer that is an error, in the server's words. */
export class ApiError extends Error {
  readonly problem: ProblemDocument;

  constructor(problem: ProblemDocument) {
    super(problem.detail);
    this.name = 'ApiError';
    this.problem = problem;
  }
}

/** The server did not answer at all. */
export class Offline extends Error {}

/**
 * Asks the server.
 *
 * @throws ApiError, Offline, and the abort reason
 */
export async function ask(url: string, init: RequestInit = {}): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(url, init);
  } catch (error) {
    if (init.signal?.aborted === true) throw error;
    throw new Offline('The dashboards server does not answer.');
  }
  if (response.ok || response.status === 304) return response;
  throw new ApiError(await problemOf(response));
}

async function problemOf(response: Response): Promise<ProblemDocument> {
  const { status, statusText } = response;
  if (response.headers.get('content-type')?.startsWith('application/problem+json') === true) {
    return (await response.json()) as ProblemDocument;
  }
  return {
    type: 'about:blank',
    title: statusText,
    status,
    detail: `The server answered ${status}.`,
  };
}
