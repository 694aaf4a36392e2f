import { ApiError, ask } from './api.ts';

/** Of this tab alone, and gone with it. */
const KEY = 'tributary.operator';

interface Session {
  readonly name: string;
  readonly token: string;
}

/** Who operates in this tab; undefined while nobody does. */
export function operatorName(): string | undefined {
  return read()?.name;
}

/** Lets somebody in. @throws Error when the token is not the right one */
export async function signIn(session: Session): Promise<void> {
  if (!/^[!-~]+$/.test(session.token)) throw new Error('That is no operator token.');
  await ask('/api/operations/token', { headers: headersOf(session), cache: 'no-store' });
  sessionStorage.setItem(KEY, JSON.stringify(session));
}

export function signOut(): void {
  sessionStorage.removeItem(KEY);
}

/**
 * Asks the server to do something as the operator. A token that it does not take any more is
 * forgotten.
 *
 * @throws ApiError, Offline
 */
export async function operate(act: string, body: object): Promise<Response> {
  const session = read();
  try {
    return await ask(`/api/operations/${act}`, {
      method: 'POST',
      headers: {
        ...(session === undefined ? {} : headersOf(session)),
        'Content-Type': 'application/json',
      },
      body: JSON.stringify(body),
    });
  } catch (error) {
    if (error instanceof ApiError && error.problem.status === 403) signOut();
    throw error;
  }
}

function headersOf({ name, token }: Session): Record<string, string> {
  return {
    'X-Operator-Token': token,
    // Headers carry ASCII alone.
    'X-Operator-Name': encodeURIComponent(name),
  };
}

function read(): Session | undefined {
  const text = sessionStorage.getItem(KEY);
  return text === null ? undefined : (JSON.parse(text) as Session);
}
