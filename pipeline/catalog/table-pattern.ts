/** One piece of a name pattern: text to be met as it stands, any run of characters, or any one. */
type Piece = { readonly text: string } | '*' | '?';

/** Which tables a source shares, as written in the catalog: `public.*`, `public."Order Lines"`. */
export interface TablePattern {
  /** The pattern as it was written. */
  readonly text: string;
  readonly schema: readonly Piece[];
  readonly table: readonly Piece[];
  /** Line of the catalog file it stands in, when it came from one. */
  readonly line?: number;
}

/** Which columns of a source's tables: `public.contracts.valid_*`. */
export interface ColumnPattern {
  readonly table: TablePattern;
  readonly column: readonly Piece[];
}

/** A table by its place in its database. */
export interface TableName {
  readonly schema: string;
  readonly table: string;
}

/** Thrown by {@link parseTablePattern}; the message says what is wrong, `fix` what to write. */
export class BadTablePattern extends Error {
  readonly fix: string;

  constructor(message: string, fix: string) {
    super(message);
    this.name = 'BadTablePattern';
    this.fix = fix;
  }
}

const QUOTING =
  'Put double quotes around a name with other characters: public."order-lines" (in YAML, single quotes around it all).';

/**
 * Reads `schema.table`, where `*` stands for any characters and `?` for one. Letters keep their
 * case: unlike in SQL, `public.Users` is the table that SQL calls `"Users"`. Inside double quotes
 * everything is literal, and `""` is one quote.
 *
 * @throws BadTablePattern
 */
export function parseTablePattern(text: string): TablePattern {
  const [schema, table, ...more] = namesOf(text, 'table');
  if (schema === undefined || table === undefined) {
    throw new BadTablePattern(
      `"${text}" does not say which schema the table is in`,
      `Write schema.table: public.${text}`,
    );
  }
  if (more.length > 0) {
    throw new BadTablePattern(
      `"${text}" has more than two parts`,
      'Write schema.table; the database is in the url. A name with a dot in it needs double quotes.',
    );
  }
  return { text, schema, table };
}

/**
 * Reads `schema.table.column`, by the rules of {@link parseTablePattern}.
 *
 * @throws BadTablePattern
 */
export function parseColumnPattern(text: string, line?: number): ColumnPattern {
  const [schema, table, column, ...more] = namesOf(text, 'column');
  if (schema === undefined || table === undefined || column === undefined || more.length > 0) {
    throw new BadTablePattern(
      `"${text}" is not schema.table.column`,
      'Write all three, for example public.contracts.valid_to. A name with a dot in it needs double quotes.',
    );
  }
  return { table: { text, schema, table, ...(line === undefined ? {} : { line }) }, column };
}

/** The pattern that means one column alone. */
export function columnPatternText(name: TableName & { readonly column: string }): string {
  return [name.schema, name.table, name.column]
    .map((part) => (/^[^\s".,*?]+$/.test(part) ? part : `"${part.replaceAll('"', '""')}"`))
    .join('.');
}

/** Reads the names between the dots. */
function namesOf(text: string, what: 'table' | 'column'): Piece[][] {
  const names: Piece[][] = [];
  let rest = text;
  for (;;) {
    const quoted = /^"((?:[^"]|"")+)"(?=\.|$)/.exec(rest);
    const plain = quoted === null ? /^[^\s".,]+/.exec(rest) : null;
    const found = quoted ?? plain;
    if (found === null) {
      throw new BadTablePattern(
        text.trim() === '' ? 'the pattern is empty' : `"${text}" is not a ${what} pattern`,
        text.trim() === ''
          ? what === 'table'
            ? 'Write schema.table, for example public.*'
            : 'Write schema.table.column, for example public.contracts.valid_to'
          : QUOTING,
      );
    }
    names.push(
      quoted === null ? piecesOf(found[0]) : [{ text: (quoted[1] ?? '').replaceAll('""', '"') }],
    );
    rest = rest.slice(found[0].length);
    if (rest === '') break;
    if (!rest.startsWith('.')) {
      throw new BadTablePattern(`"${text}" is not a ${what} pattern`, QUOTING);
    }
    rest = rest.slice(1);
  }
  return names;
}

function piecesOf(name: string): Piece[] {
  return (name.match(/\*+|\?|[^*?]+/g) ?? []).map((piece) =>
    piece.startsWith('*') ? '*' : piece === '?' ? '?' : { text: piece },
  );
}

/** Whether a pattern has no wildcards. */
export function isOneTable({ schema, table }: TablePattern): boolean {
  return [...schema, ...table].every((piece) => piece !== '*' && piece !== '?');
}

/** Whether a table is one that the pattern means. */
export function matchesTable(pattern: TablePattern, name: TableName): boolean {
  return nameRegex(pattern.schema).test(name.schema) && nameRegex(pattern.table).test(name.table);
}

/** Whether a column is one that the pattern means. */
export function matchesColumn(
  pattern: ColumnPattern,
  name: TableName & { readonly column: string },
): boolean {
  return matchesTable(pattern.table, name) && nameRegex(pattern.column).test(name.column);
}

/** Whether a source with these patterns captures a table. */
export function isCaptured(
  source: { readonly tables: readonly TablePattern[]; readonly exclude: readonly TablePattern[] },
  name: TableName,
): boolean {
  return (
    source.tables.some((pattern) => matchesTable(pattern, name)) &&
    !source.exclude.some((pattern) => matchesTable(pattern, name))
  );
}

/**
 * Value of Debezium's `table.include.list`: one regular expression per pattern, which Debezium
 * matches against the whole of `schema.table`.
 *
 * Debezium ignores case unless told otherwise, so each expression switches that off. It joins
 * schema and table by a dot, so a schema with a dot in its name can look like another schema's
 * table; the publication, which lists tables exactly, is what decides then.
 */
export function tableIncludeList(source: {
  readonly tables: readonly TablePattern[];
  readonly exclude: readonly TablePattern[];
  readonly outbox?: TablePattern | undefined;
}): string {
  const excluded = source.exclude
    .filter((pattern) => pattern !== source.outbox)
    .map((pattern) => `(?!${qualifiedRegex(pattern)}$)`)
    .join('');
  return [
    ...source.tables.map((pattern) => `(?-i)${excluded}${qualifiedRegex(pattern)}`),
    ...(source.outbox === undefined ? [] : [`(?-i)${qualifiedRegex(source.outbox)}`]),
  ].join(',');
}

/** Regular expression, for Java, that the topic of one table of a source matches. */
export function tableTopicRegex(source: string, table: TablePattern): string {
  return String.raw`${source}\.${qualifiedRegex(table)}`;
}

/**
 * Value of Debezium's `column.exclude.list`: the columns whose first matching rule says `drop`.
 * Empty when there are none.
 */
export function columnExcludeList(
  rules: readonly { readonly pattern: ColumnPattern; readonly how: string }[],
): string {
  const regex = ({ table, column }: ColumnPattern) =>
    String.raw`${qualifiedRegex(table)}\.${regexOf(column)}`;
  return rules
    .flatMap(({ pattern, how }, index) => {
      if (how !== 'drop') return [];
      const earlier = rules.slice(0, index).filter((rule) => rule.how !== 'drop');
      return [
        `(?-i)${earlier.map((rule) => `(?!${regex(rule.pattern)}$)`).join('')}${regex(pattern)}`,
      ];
    })
    .join(',');
}

function qualifiedRegex(pattern: TablePattern): string {
  return String.raw`${regexOf(pattern.schema)}\.${regexOf(pattern.table)}`;
}

function nameRegex(pieces: readonly Piece[]): RegExp {
  return new RegExp(`^${regexOf(pieces)}$`, 'u');
}

function regexOf(pieces: readonly Piece[]): string {
  return pieces
    .map((piece) => (piece === '*' ? '.*' : piece === '?' ? '.' : escapeRegex(piece.text)))
    .join('');
}

/**
 * Escapes what is special in JavaScript's and Java's regular expressions alike, and by their code
 * what Debezium's list of expressions is cut at or trimmed of: commas, backslashes, white space.
 */
function escapeRegex(text: string): string {
  return text.replace(/[\^$.*+?()[\]{}|]|([,\\\s])/g, (special, byCode: string | undefined) =>
    byCode === undefined
      ? `\\${special}`
      : `\\u${special.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
