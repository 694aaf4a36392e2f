import { z } from 'zod';
import { describeError, isAbort, TributaryError } from '#runtime/errors.ts';
import type { SchemaId } from './wire-format.ts';

const REQUEST_TIMEOUT_MS = 10_000;

const answer = z.object({ schema: z.string() });

/** Where schemas come from. */
export interface SchemaRegistry {
  /**
   * The Avro schema, parsed from JSON.
   *
   * @throws TributaryError `SCHEMA_UNKNOWN`, `REGISTRY_UNAVAILABLE`
   */
  schema(id: SchemaId, signal: AbortSignal): Promise<unknown>;
}

/**
 * Client of a registry with the Confluent API (Confluent, Apicurio's `/apis/ccompat/v7`, Karapace).
 *
 * @param baseUrl - up to, not including, `/schemas/ids`
 */
export function createRegistryClient(baseUrl: string): SchemaRegistry {
  const root = baseUrl.replace(/\/+$/, '');
  return {
    async schema(id, signal) {
      const url = `${root}/schemas/ids/${id}`;
      let response: Response;
      let body: unknown;
      try {
        response = await fetch(url, {
          signal: AbortSignal.any([signal, AbortSignal.timeout(REQUEST_TIMEOUT_MS)]),
        });
        body = response.ok ? await response.json() : undefined;
      } catch (error) {
        if (signal.aborted && isAbort(error)) throw error;
        throw new TributaryError(
          'REGISTRY_UNAVAILABLE',
          `the schema registry does not answer at ${url}: ${describeError(error)}`,
          { cause: error },
        );
      }
      if (response.status === 404) {
        throw new TributaryError('SCHEMA_UNKNOWN', `the registry has no schema with id ${id}`, {
          context: { schemaId: id },
        });
      }
      const parsed = answer.safeParse(body);
      if (!response.ok || !parsed.success) {
        throw new TributaryError(
          'REGISTRY_UNAVAILABLE',
          `the schema registry answered ${response.status} for schema id ${id}`,
          { context: { schemaId: id, status: response.status } },
        );
      }
      return JSON.parse(parsed.data.schema) as unknown;
    },
  };
}
