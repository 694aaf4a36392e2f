import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import type { Secret } from '#runtime/config.ts';
import { ClickHouseException } from './clickhouse-exception.ts';

/** Somebody who can log in. */
export interface User {
  readonly name: string;
  readonly password: Secret;
  readonly isAnalyst: boolean;
}

/** Who a request says it is from. */
interface Credentials {
  readonly name: string;
  readonly password: string;
}

const DEFAULT_USER = 'default';

/**
 * Finds the user of a request by headers `X-ClickHouse-User` and `-Key`, by basic authentication,
 * or by parameters `user` and `password`.
 *
 * @throws ClickHouseException `AUTHENTICATION_FAILED`, the same for a wrong name and a wrong password
 */
export function authenticate(
  users: readonly User[],
  headers: IncomingHttpHeaders,
  query: URLSearchParams,
): User {
  const { name, password } = credentialsOf(headers, query);
  const user = users.find((candidate) => candidate.name === name);
  // Compared in any case, so that a name that does not exist takes as long.
  const matches = isSame(password, user?.password.reveal() ?? '');
  if (user === undefined || !matches) {
    throw new ClickHouseException(
      516,
      'AUTHENTICATION_FAILED',
      `${name}: Authentication failed: password is incorrect, or there is no user with such name`,
    );
  }
  return user;
}

function credentialsOf(headers: IncomingHttpHeaders, query: URLSearchParams): Credentials {
  const user = headers['x-clickhouse-user'];
  const key = headers['x-clickhouse-key'];
  const basic = /^basic (.+)$/i.exec(headers.authorization ?? '')?.[1];
  if (user !== undefined || key !== undefined) {
    return { name: String(user ?? DEFAULT_USER), password: String(key ?? '') };
  }
  if (headers.authorization !== undefined) {
    if (basic === undefined) {
      throw new ClickHouseException(
        516,
        'AUTHENTICATION_FAILED',
        'Authentication failed: only basic authentication is supported',
      );
    }
    const [name, ...password] = Buffer.from(basic, 'base64').toString('utf8').split(':');
    return { name: name ?? '', password: password.join(':') };
  }
  return { name: query.get('user') ?? DEFAULT_USER, password: query.get('password') ?? '' };
}

/** Compares digests, which have one length, in a time that tells nothing of either text. */
function isSame(left: string, right: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(left), digest(right));
}
