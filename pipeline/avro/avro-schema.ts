import { z } from 'zod';
import { TributaryError } from '#runtime/errors.ts';

/**
 * An Avro schema as Debezium's converter registers it, with Kafka Connect's annotations: the
 * semantic type in `connect.name`, the source column's own type in `connect.parameters`.
 */
export type AvroSchema = AvroAnnotated | string | readonly AvroSchema[];

/** The object form of a schema. */
export interface AvroAnnotated {
  readonly type: AvroSchema;
  readonly name?: string | undefined;
  readonly namespace?: string | undefined;
  readonly fields?: readonly AvroField[] | undefined;
  readonly items?: AvroSchema | undefined;
  readonly values?: AvroSchema | undefined;
  readonly symbols?: readonly string[] | undefined;
  readonly 'connect.name'?: string | undefined;
  readonly 'connect.type'?: string | undefined;
  readonly 'connect.parameters'?: Readonly<Record<string, string>> | undefined;
}

/** A field of a record schema. */
export interface AvroField {
  readonly name: string;
  readonly type: AvroSchema;
  readonly default?: unknown;
}

/** A record schema: one with fields. */
export type AvroRecord = AvroAnnotated & { readonly fields: readonly AvroField[] };

const avroSchema: z.ZodType<AvroSchema> = z.lazy(() =>
  z.union([z.string(), z.array(avroSchema), annotated]),
);
const annotated: z.ZodType<AvroAnnotated> = z.lazy(() =>
  z.looseObject({
    type: avroSchema,
    name: z.string().optional(),
    namespace: z.string().optional(),
    fields: z.array(z.looseObject({ name: z.string(), type: avroSchema })).optional(),
    items: avroSchema.optional(),
    values: avroSchema.optional(),
    symbols: z.array(z.string()).optional(),
    'connect.name': z.string().optional(),
    'connect.type': z.string().optional(),
    'connect.parameters': z.record(z.string(), z.string()).optional(),
  }),
);

/** Checks that JSON from the registry is an Avro schema. @throws TributaryError `RECORD_MALFORMED` */
export function parseAvroSchema(json: unknown): AvroSchema {
  const parsed = avroSchema.safeParse(json);
  if (parsed.success) return parsed.data;
  throw new TributaryError(
    'RECORD_MALFORMED',
    'the registry answered with something that is not an Avro schema',
  );
}

/** Narrows to a record schema. */
export function isRecord(schema: AvroSchema): schema is AvroRecord {
  return (
    typeof schema === 'object' &&
    !Array.isArray(schema) &&
    'fields' in schema &&
    schema.fields !== undefined
  );
}

/** Splits `["null", T]` into T and whether null was among the branches. */
export function unwrapNullable(schema: AvroSchema): { schema: AvroSchema; nullable: boolean } {
  if (!Array.isArray(schema)) return { schema, nullable: false };
  const branches = (schema as readonly AvroSchema[]).filter((branch) => branch !== 'null');
  const [only] = branches;
  const nullable = branches.length < schema.length;
  return only !== undefined && branches.length === 1
    ? { schema: only, nullable }
    : { schema: branches, nullable };
}
