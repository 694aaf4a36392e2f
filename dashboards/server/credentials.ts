import { createHash, timingSafeEqual } from 'node:crypto';
import type { Request, RequestHandler, Response } from 'express';
import type { Secret } from '#runtime/config.ts';
import { HttpProblem } from './http-problem.ts';
import { RateLimit } from './rate-limit.ts';

/** Wrong guesses from one address before it has to wait. */
const MOST_GUESSES = 10;
const GUESS_WINDOW_MS = 60_000;
const LONGEST_NAME = 80;

/** Asks for the password by HTTP basic authentication; any user name will do. */
export function requirePassword(password: Secret): RequestHandler {
  const guesses = new RateLimit(MOST_GUESSES, GUESS_WINDOW_MS);
  return (request, _response, next) => {
    const basic = /^basic (.+)$/i.exec(request.headers.authorization ?? '')?.[1];
    const given = Buffer.from(basic ?? '', 'base64')
      .toString('utf8')
      .replace(/^[^:]*:/, '');
    if (isRight(request, { given: basic === undefined ? undefined : given, password, guesses })) {
      next();
      return;
    }
    throw new HttpProblem(401, 'These pages ask for a password.', {
      headers: { 'WWW-Authenticate': 'Basic realm="Tributary", charset="UTF-8"' },
    });
  };
}

/**
 * Lets through who has the operator token, in a header of its own: a browser sends that for no page
 * but these. Who it is by their own word is kept for {@link operatorOf}.
 */
export function requireOperator(token: Secret): RequestHandler {
  const guesses = new RateLimit(MOST_GUESSES, GUESS_WINDOW_MS);
  return (request, response, next) => {
    const given = request.get('x-operator-token');
    if (!isRight(request, { given, password: token, guesses })) {
      throw new HttpProblem(403, 'This asks for the operator token.');
    }
    response.locals['operator'] = nameOf(request);
    next();
  };
}

/** Name that an operator gave. */
export function operatorOf(response: Response): string {
  return String(response.locals['operator']);
}

/** @throws HttpProblem 429 for an address that has guessed too often, right or not */
function isRight(
  request: Request,
  {
    given,
    password,
    guesses,
  }: { readonly given: string | undefined; readonly password: Secret; readonly guesses: RateLimit },
): boolean {
  if (given === undefined) return false;
  const address = request.socket.remoteAddress ?? '';
  const wait = guesses.waitSeconds(address);
  if (wait > 0) {
    throw new HttpProblem(429, `Too many wrong guesses. Try again in ${wait} s.`, {
      headers: { 'Retry-After': String(wait) },
    });
  }
  if (isSame(given, password.reveal())) return true;
  guesses.count(address);
  return false;
}

/** @throws HttpProblem 400 */
function nameOf(request: Request): string {
  let name = '';
  try {
    // Headers carry ASCII alone.
    name = decodeURIComponent(request.get('x-operator-name') ?? '').trim();
  } catch {
    // Told of below.
  }
  if (name.length === 0 || name.length > LONGEST_NAME || /\p{C}/u.test(name)) {
    throw new HttpProblem(400, 'Say who you are: what is done is noted under your name.');
  }
  return name;
}

/** Compares digests, which takes as long whatever the texts. */
function isSame(left: string, right: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(left), digest(right));
}
