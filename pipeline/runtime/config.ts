import { z } from 'zod';
import { TributaryError } from './errors.ts';

const REDACTED = '<redacted>';

/** A value that must not show: prints as `<redacted>` wherever it is logged, joined or serialized. */
export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  /** The value itself; call it only where it is handed to a driver. */
  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return REDACTED;
  }

  toJSON(): string {
    return REDACTED;
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return REDACTED;
  }
}

/** Schema of a secret setting. */
export const secret = () => z.string().transform((value) => new Secret(value));

/** Schema of a TCP port given as text. */
export const port = () => z.coerce.number().int().min(1).max(65_535);

/** Schema of a comma-separated list, at least one entry. */
export const commaList = () =>
  z.string().transform((text, context) => {
    const items = text
      .split(',')
      .map((item) => item.trim())
      .filter((item) => item !== '');
    if (items.length === 0) context.addIssue('needs at least one entry');
    return items;
  });

/** Environment variable that a config field is read from: `kafkaBrokers` is `KAFKA_BROKERS`. */
export function envName(field: string): string {
  return field.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase();
}

/**
 * Reads a process's whole configuration from the environment, once, at start.
 *
 * Each field of the schema is one variable (see {@link envName}); an empty variable counts as not
 * set, so that `VAR= npm start` means the default. Variables with `knownPrefix` that no field
 * claims are refused: a misspelt setting must not pass for a default.
 *
 * @throws TributaryError `CONFIG_INVALID` naming every problem at once
 */
export function loadConfig<Shape extends z.ZodRawShape>(
  schema: z.ZodObject<Shape>,
  env: NodeJS.ProcessEnv,
  knownPrefix?: string,
): z.output<z.ZodObject<Shape>> {
  const fields = Object.keys(schema.shape);
  const input = Object.fromEntries(
    fields
      .map((field) => [field, env[envName(field)]] as const)
      .filter(([, value]) => value !== undefined && value !== ''),
  );
  const known = new Set(fields.map(envName));
  const unknown =
    knownPrefix === undefined
      ? []
      : Object.keys(env).filter((name) => name.startsWith(knownPrefix) && !known.has(name));
  const parsed = schema.safeParse(input);
  const problems = [
    ...unknown.map((name) => `${name}: no such setting`),
    ...(parsed.success
      ? []
      : parsed.error.issues.map((issue) => {
          const field = String(issue.path[0] ?? '');
          return input[field] === undefined
            ? `${envName(field)}: is not set`
            : `${envName(field)}: ${issue.message}`;
        })),
  ];
  if (!parsed.success || problems.length > 0) {
    throw new TributaryError('CONFIG_INVALID', `bad configuration:\n  ${problems.join('\n  ')}`);
  }
  return parsed.data;
}
