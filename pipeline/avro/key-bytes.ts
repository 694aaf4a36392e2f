import avro from 'avsc';
import { z } from 'zod';
import { describeError, isAbort, TributaryError } from '#runtime/errors.ts';
import { HEADER_BYTES } from './wire-format.ts';

const REQUEST_TIMEOUT_MS = 10_000;

const subjects = z.array(z.string());
const version = z.object({ id: z.int(), schema: z.string() });

/** How a text is written as the key of records. */
export interface TextKey {
  /** As it may be written. */
  readonly bytes: Buffer;
  /** Whether a key is this text, under whichever schema id it was written. */
  readonly is: (key: Buffer) => boolean;
}

/**
 * How a text is written as the key of a topic's records, in the Confluent wire format.
 *
 * @param baseUrl - of a registry with the Confluent API
 * @param prefix - what topics begin with whose keys are written alike: registries may list a schema
 * that several topics have in common under one of them
 * @returns undefined when nothing was ever written to any of them
 * @throws TributaryError `REGISTRY_UNAVAILABLE`; `ERASE_REFUSED` when the keys are no texts; the
 * abort reason
 */
export async function textKey(
  baseUrl: string,
  topic: string,
  prefix: string,
  text: string,
  signal: AbortSignal,
): Promise<TextKey | undefined> {
  const root = baseUrl.replace(/\/+$/, '');
  const all = await ask(`${root}/subjects`, subjects, signal);
  const own = `${topic}-key`;
  const subject = all.includes(own)
    ? own
    : all.find((name) => name.startsWith(prefix) && name.endsWith('-key'));
  if (subject === undefined) return undefined;
  const latest = `${root}/subjects/${encodeURIComponent(subject)}/versions/latest`;
  const { id, schema } = await ask(latest, version, signal);
  const type = avro.Type.forSchema(JSON.parse(schema) as avro.Schema);
  if (!type.isValid(text)) {
    throw new TributaryError('ERASE_REFUSED', `the keys of topic ${topic} are no texts`, {
      fix: 'List under `events` only those whose key (aggregateid) is the key of the subject.',
    });
  }
  const body = type.toBuffer(text);
  const head = Buffer.alloc(HEADER_BYTES);
  head.writeInt32BE(id, 1);
  return {
    bytes: Buffer.concat([head, body]),
    is: (key) => key.subarray(HEADER_BYTES).equals(body),
  };
}

async function ask<T>(url: string, shape: z.ZodType<T>, signal: AbortSignal): Promise<T> {
  const unavailable = (why: string, cause?: unknown) =>
    new TributaryError('REGISTRY_UNAVAILABLE', `the schema registry at ${url}: ${why}`, { cause });
  let body: unknown;
  try {
    const response = await fetch(url, {
      signal: AbortSignal.any([signal, AbortSignal.timeout(REQUEST_TIMEOUT_MS)]),
    });
    if (!response.ok) throw unavailable(`it answered ${response.status}`);
    body = await response.json();
  } catch (error) {
    if (error instanceof TributaryError || (signal.aborted && isAbort(error))) throw error;
    throw unavailable(describeError(error), error);
  }
  const { data } = shape.safeParse(body);
  if (data === undefined) throw unavailable('it answered something else than was asked for');
  return data;
}
