import { z } from 'zod';
import { Secret } from '#runtime/config.ts';
import type { Path, Put } from './reporter.ts';

/** Where a service takes a request. */
export interface Endpoint {
  /** With `{name}` for what the request is about. */
  readonly url: string;
  readonly headers: ReadonlyMap<string, Secret>;
}

/**
 * An endpoint as it is written in the catalog.
 *
 * @param url - what stands in braces, and an example
 */
export function endpointEntry(url: { readonly description: string; readonly example: string }) {
  return z.strictObject({
    url: z.string().meta({ description: url.description, examples: [url.example] }),
    headers: z
      .record(z.string(), z.string())
      .optional()
      .meta({
        description: 'What to send with it.',
        examples: [{ authorization: 'Bearer ${USERS_TOKEN}' }],
      }),
  });
}

/** An endpoint with its environment variables put in. */
export function endpointOf(
  written: z.output<ReturnType<typeof endpointEntry>>,
  place: Path,
  put: Put,
): Endpoint {
  return {
    url: put(written.url, [...place, 'url'], 'http://users.example'),
    headers: new Map(
      Object.entries(written.headers ?? {}).map(([name, value]) => [
        name,
        new Secret(put(value, [...place, 'headers', name], '…')),
      ]),
    ),
  };
}
