import { z } from 'zod';
import { PROBLEM_STATUS } from './problem.ts';
import type { Route } from './route.ts';

/** What a document says of its API as a whole. */
export interface ApiAbout {
  readonly title: string;
  readonly description: string;
}

type Json = Record<string, unknown>;

const problem = z.looseObject({
  type: z.string().describe('urn:tributary:problem: and the kind of problem.'),
  title: z.string(),
  status: z.int(),
  detail: z.string(),
});

/**
 * The OpenAPI 3.1 document of an API, made of the schemas that its requests are checked with.
 *
 * @see https://spec.openapis.org/oas/v3.1.1.html
 */
export function openApiDocument(about: ApiAbout, routes: readonly Route[]): Json {
  const paths: Record<string, Json> = {};
  for (const route of routes) {
    const path = route.path.replace(/:(\w+)/g, '{$1}');
    paths[path] = { ...paths[path], [route.method]: operation(route) };
  }
  return {
    openapi: '3.1.0',
    info: { title: about.title, description: about.description, version: '1.0.0' },
    paths,
    components: {
      schemas: { Problem: schemaOf(problem, 'output') },
      responses: {
        Problem: {
          description: `A problem document (RFC 9457): ${Object.keys(PROBLEM_STATUS).join(', ')}.`,
          content: {
            'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } },
          },
        },
      },
    },
  };
}

function operation(route: Route): Json {
  const { method, path, summary, params, query, body, reply } = route;
  const answer =
    reply === undefined
      ? { description: 'Done.' }
      : {
          description: 'Done.',
          content: { 'application/json': { schema: schemaOf(reply, 'output') } },
        };
  return {
    operationId: `${method} ${path}`.replace(/\W+/g, '_').replace(/_$/, ''),
    summary,
    parameters: [...parametersOf(params, 'path'), ...parametersOf(query, 'query')],
    ...(body === undefined
      ? {}
      : {
          requestBody: {
            required: true,
            content: { 'application/json': { schema: schemaOf(body, 'input') } },
          },
        }),
    responses: {
      '2XX': answer,
      default: { $ref: '#/components/responses/Problem' },
    },
  };
}

function parametersOf(schema: z.ZodType, place: 'path' | 'query'): Json[] {
  const { properties, required } = z
    .object({
      properties: z.record(z.string(), z.unknown()).default({}),
      required: z.array(z.string()).default([]),
    })
    .parse(schemaOf(schema, 'input'));
  return Object.entries(properties).map(([name, property]) => ({
    name,
    in: place,
    required: place === 'path' || required.includes(name),
    schema: property,
  }));
}

/** JSON Schema of what goes into a schema, before defaults, or comes out of it. */
function schemaOf(schema: z.ZodType, io: 'input' | 'output'): Json {
  const json: Json = z.toJSONSchema(schema, { io, unrepresentable: 'any' });
  delete json['$schema'];
  return json;
}
