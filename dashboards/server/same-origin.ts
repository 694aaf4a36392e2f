import type { RequestHandler } from 'express';
import { HttpProblem } from './http-problem.ts';

const LOOPBACK = new Set(['localhost', '127.0.0.1', '[::1]']);

/** Whether an address to listen on can be reached from this machine alone. */
export function isLoopback(host: string): boolean {
  return host === '::1' || LOOPBACK.has(host);
}

/**
 * Refuses what other web pages make a browser send here: requests from other origins, and requests
 * under a name that was made to point at this machine (DNS rebinding).
 *
 * @param hosts - names beside those of loopback under which the pages may be opened
 */
export function requireSameOrigin(hosts: readonly string[]): RequestHandler {
  const known = new Set([...LOOPBACK, ...hosts]);
  return (request, _response, next) => {
    const host = (request.headers.host ?? '').replace(/:\d+$/, '').toLowerCase();
    if (!known.has(host)) {
      throw new HttpProblem(403, 'These pages are not served under this name.');
    }
    const site = request.headers['sec-fetch-site'];
    const isPage = request.headers['sec-fetch-mode'] === 'navigate' && request.method === 'GET';
    if (site !== undefined && site !== 'same-origin' && site !== 'none' && !isPage) {
      throw new HttpProblem(403, 'This can only be asked for from its own pages.');
    }
    next();
  };
}
