import type { ErrorCode } from '#runtime/error-codes.ts';
import { describeError, TributaryError } from '#runtime/errors.ts';
import type { Endpoint } from './endpoint.ts';

const TIMEOUT_MS = 10_000;

/** What a request is for, in the error that says why it failed. */
export interface Purpose {
  readonly code: ErrorCode;
  readonly what: string;
  /** What to do when nobody answers. */
  readonly fix: string;
}

/**
 * Asks a service for something, by an empty POST.
 *
 * @param url - that of the endpoint, with what the request is about put in
 * @throws TributaryError with the code of the purpose, when it is not answered by 2xx
 */
export async function callEndpoint(
  endpoint: Endpoint,
  url: string,
  { code, what, fix }: Purpose,
): Promise<void> {
  const headers = [...endpoint.headers].map(([name, value]) => [name, value.reveal()]);
  let response: Response;
  try {
    response = await fetch(url, {
      method: 'POST',
      headers: Object.fromEntries(headers) as Record<string, string>,
      signal: AbortSignal.timeout(TIMEOUT_MS),
      redirect: 'error',
    });
  } catch (error) {
    throw new TributaryError(code, `${what}: ${describeError(error)}`, { cause: error, fix });
  }
  await response.body?.cancel();
  if (!response.ok) throw new TributaryError(code, `${what}: it answered ${response.status}`);
}
