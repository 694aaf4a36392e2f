import fc from 'fast-check';
import { z } from 'zod';

/** A request as somebody might send it who has read the document, or has not. */
export interface ArbitraryRequest {
  /** As in {@link replyShapes}. */
  readonly operation: string;
  readonly method: string;
  readonly path: string;
  readonly body: unknown;
}

interface JsonSchema {
  readonly type?: string | readonly string[] | undefined;
  readonly format?: string | undefined;
  readonly pattern?: string | undefined;
  readonly enum?: readonly unknown[] | undefined;
  readonly anyOf?: readonly JsonSchema[] | undefined;
  readonly items?: JsonSchema | undefined;
  readonly properties?: Readonly<Record<string, JsonSchema>> | undefined;
  readonly required?: readonly string[] | undefined;
  readonly minimum?: number | undefined;
  readonly maximum?: number | undefined;
  readonly minLength?: number | undefined;
  readonly maxLength?: number | undefined;
}

const operationShape = z.looseObject({
  parameters: z
    .array(z.looseObject({ name: z.string(), in: z.string(), schema: z.custom<JsonSchema>() }))
    .default([]),
  requestBody: z
    .looseObject({
      content: z.object({ 'application/json': z.object({ schema: z.custom<JsonSchema>() }) }),
    })
    .optional(),
  responses: z.object({
    '2XX': z.looseObject({
      content: z
        .object({ 'application/json': z.object({ schema: z.custom<JsonSchema>() }) })
        .optional(),
    }),
  }),
});
const documentShape = z.looseObject({
  paths: z.record(z.string(), z.record(z.string(), operationShape)),
});

/** Values that programs trip over. */
const ODD: fc.Arbitrary<unknown> = fc.constantFrom<unknown>(
  null,
  '',
  'x'.repeat(300),
  '\0',
  '\ud800',
  "'; DROP TABLE users; --",
  '%',
  -1,
  0,
  1e308,
  2 ** 53,
  '9223372036854775808',
  '0001-01-01',
  'infinity',
  [],
  [[]],
  {},
  { toString: 1 },
  true,
);

/**
 * Requests to the operations of an OpenAPI document: most as the document says, some not.
 *
 * @param known - values of identifiers that exist, so that requests get past a first look
 */
export function arbitraryRequest(
  document: unknown,
  known: readonly string[],
): fc.Arbitrary<ArbitraryRequest> {
  const { paths } = documentShape.parse(document);
  const requests = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { parameters, requestBody }]) => {
      const inPlace = (place: string) =>
        fc.record(
          Object.fromEntries(
            parameters
              .filter((parameter) => parameter.in === place)
              .map(({ name, schema }) => [
                name,
                // An empty place in a path is the path of another operation.
                oddly(valueOf(schema, known)).filter((value) => place !== 'path' || value !== ''),
              ]),
          ),
          place === 'path' ? {} : { requiredKeys: [] },
        );
      const body = requestBody?.content['application/json'].schema;
      return fc.record({
        operation: fc.constant(`${method} ${path}`),
        method: fc.constant(method.toUpperCase()),
        path: fc.tuple(inPlace('path'), inPlace('query')).map(
          ([inPath, inQuery]) =>
            path.replace(/\{(\w+)\}/g, (_, name: string) => encode(inPath[name])) +
            Object.entries(inQuery)
              .map(([name, value], index) => `${index === 0 ? '?' : '&'}${name}=${encode(value)}`)
              .join(''),
        ),
        body: body === undefined ? fc.constant(undefined) : oddly(valueOf(body, known)),
      });
    }),
  );
  return fc.oneof(...requests);
}

/** By operation what a body that is answered has to be like, by the document. */
export function replyShapes(document: unknown): Map<string, z.ZodType> {
  const { paths } = documentShape.parse(document);
  return new Map(
    Object.entries(paths).flatMap(([path, methods]) =>
      Object.entries(methods).flatMap(([method, { responses }]) => {
        const reply = responses['2XX'].content?.['application/json'].schema;
        return reply === undefined
          ? []
          : [
              [
                `${method} ${path}`,
                z.fromJSONSchema(reply as z.core.JSONSchema.JSONSchema),
              ] as const,
            ];
      }),
    ),
  );
}

function oddly(value: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  return fc.oneof({ weight: 12, arbitrary: value }, { weight: 1, arbitrary: ODD });
}

function valueOf(schema: JsonSchema, known: readonly string[]): fc.Arbitrary<unknown> {
  if (schema.enum !== undefined) return fc.constantFrom(...schema.enum);
  if (schema.anyOf !== undefined) {
    return fc.oneof(...schema.anyOf.map((choice) => valueOf(choice, known)));
  }
  if (typeof schema.type === 'object') {
    return fc.oneof(...schema.type.map((type) => valueOf({ ...schema, type }, known)));
  }
  switch (schema.type) {
    case 'null':
      return fc.constant(null);
    case 'boolean':
      return fc.boolean();
    case 'integer':
    case 'number':
      return fc.integer({
        min: schema.minimum ?? -5,
        max: Math.min(schema.maximum ?? 50, 2 ** 31),
      });
    case 'array':
      return fc.array(oddly(valueOf(schema.items ?? {}, known)), { maxLength: 3 });
    case 'object': {
      const properties = Object.entries(schema.properties ?? {});
      if (properties.length === 0) return fc.dictionary(fc.string(), fc.jsonValue());
      return fc.record(
        Object.fromEntries(
          properties.map(([name, property]) => [name, oddly(valueOf(property, known))]),
        ),
        { requiredKeys: [...(schema.required ?? [])] },
      );
    }
    case 'string':
      return textOf(schema, known);
    default:
      return fc.jsonValue();
  }
}

function textOf(schema: JsonSchema, known: readonly string[]): fc.Arbitrary<unknown> {
  const someKnown = known.length === 0 ? [] : [{ weight: 9, arbitrary: fc.constantFrom(...known) }];
  switch (schema.format) {
    case 'uuid':
    case 'guid':
      return fc.oneof(
        ...someKnown,
        { weight: 1, arbitrary: fc.uuid() },
        // A uuid of no version: PostgreSQL takes it.
        { weight: 1, arbitrary: fc.constant('00000000-0000-0000-0000-00000000abcd') },
      );
    case 'email':
      return fc.nat(50).map((serial) => `somebody.${serial}@example.org`);
    case 'date':
      return fc.date({ noInvalidDate: true }).map((date) => date.toISOString().slice(0, 10));
    default:
      if (schema.pattern !== undefined && schema.pattern.length < 60) {
        return fc.oneof(
          { weight: 3, arbitrary: fc.stringMatching(new RegExp(schema.pattern)) },
          { weight: 1, arbitrary: fc.constantFrom('7', '19.90', 'EUR', 'SE', 'VIE1', ...known) },
        );
      }
      return fc.oneof(
        fc.string({
          minLength: schema.minLength ?? 0,
          maxLength: Math.min(schema.maxLength ?? 30, 30),
        }),
        ...(someKnown.length === 0 ? [] : [fc.constantFrom(...known)]),
      );
  }
}

function encode(value: unknown): string {
  try {
    return encodeURIComponent(typeof value === 'string' ? value : JSON.stringify(value));
  } catch {
    // A lone surrogate has no UTF-8.
    return '%ED%A0%80';
  }
}
