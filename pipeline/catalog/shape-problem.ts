import { stringify } from 'yaml';
import { z } from 'zod';
import { catalogDocument } from './catalog.ts';
import { didYouMean } from './did-you-mean.ts';

type Path = readonly PropertyKey[];

/** A problem of the catalog in plain words. */
interface Explanation {
  readonly what: string;
  readonly fix: string;
}

/** Kinds of value as a person writing YAML knows them. */
const KINDS: Readonly<Record<string, string>> = {
  string: 'a text',
  array: 'a list',
  object: 'a map',
  record: 'a map',
};

/** Explains a key that the catalog does not know. */
export function explainUnknownKey(path: Path, key: string): Explanation {
  const known = Object.keys(schemaAt(path).properties ?? {});
  const meant = didYouMean(key, known);
  const list = `Known here: ${known.join(', ')}.`;
  return {
    what: `unknown key "${key}"`,
    fix: meant === undefined ? list : `Did you mean "${meant}"? ${list}`,
  };
}

/**
 * Explains a value of the wrong shape.
 *
 * @param there - whether the file has any value in that place
 */
export function explainShapeIssue(issue: z.core.$ZodIssue, there: boolean): Explanation {
  const name = nameOf(issue.path);
  const example = exampleAt(issue.path);
  const fix =
    example === undefined
      ? 'The README shows a whole catalog; editors complete the file through its JSON schema.'
      : `For example: ${example}`;
  if (issue.code === 'invalid_value')
    return { what: `${name} must be one of ${issue.values.map(String).join(', ')}`, fix };
  if (issue.code !== 'invalid_type') return { what: `${name} ${issue.message}`, fix };
  return {
    what: there
      ? `${name} must be ${KINDS[issue.expected] ?? issue.expected}`
      : `${name} is missing`,
    fix,
  };
}

function nameOf(path: Path): string {
  const last = path.at(-1);
  if (last === undefined) return 'the catalog';
  if (typeof last !== 'number') return String(last);
  return `entry ${last + 1} of ${nameOf(path.slice(0, -1))}`;
}

/** A part of the JSON schema, as far as problems are explained from it. */
const schemaNode = z.looseObject({
  properties: z.record(z.string(), z.unknown()).optional(),
  items: z.unknown().optional(),
  examples: z.array(z.unknown()).optional(),
});

function schemaAt(path: Path): z.infer<typeof schemaNode> {
  let node = schemaNode.parse(z.toJSONSchema(catalogDocument, { io: 'input' }));
  for (const step of path) {
    const next = typeof step === 'number' ? node.items : node.properties?.[String(step)];
    node = schemaNode.parse(next ?? {});
  }
  return node;
}

function exampleAt(path: Path): string | undefined {
  const example = schemaAt(path).examples?.[0];
  const key = path.at(-1);
  if (example === undefined || key === undefined) return undefined;
  const value =
    typeof example === 'string'
      ? example
      : Array.isArray(example)
        ? `[${example.join(', ')}]`
        : stringify(example, { collectionStyle: 'flow', lineWidth: 0 }).trim();
  return typeof key === 'number' ? value : `${String(key)}: ${value}`;
}
