import { isKeyword, isSymbol, tokenize, type Token } from './sql-tokens.ts';
import { quoteText } from './sql-text.ts';

/** The part of an INSERT that comes before its data. */
export interface InsertHead {
  /** Up to the first of SETTINGS, FORMAT and VALUES. */
  readonly target: string;
  /** `SETTINGS …`, or empty. */
  readonly settings: string;
  readonly format: string;
  /** Index in the text where the data begins. */
  readonly dataAt: number;
}

/**
 * Reads the head of `INSERT INTO t … FORMAT f <data>` or `INSERT INTO t … VALUES <data>`, and
 * nothing of the data.
 *
 * @returns `undefined` for a statement that is no INSERT, or one that takes its rows from a query
 */
export function readInsertHead(text: string): InsertHead | undefined {
  const tokens = tokenize(text);
  const next = (): Token | undefined => tokens.next().value ?? undefined;
  if (!isKeyword(next(), 'INSERT') || !isKeyword(next(), 'INTO')) return undefined;
  let token = next();
  if (isKeyword(token, 'TABLE')) token = next();
  if (isKeyword(token, 'FUNCTION')) token = next();
  // The name of the table, which may be any word, also FORMAT or VALUES.
  if (token?.kind !== 'name') return undefined;
  token = next();
  while (isSymbol(token, '.')) {
    next();
    token = next();
  }
  let settingsAt: number | undefined;
  for (; token !== undefined; token = next()) {
    if (token.depth > 0) {
      // Columns have no query among them: this is `INSERT INTO t (SELECT …)`.
      if (isKeyword(token, 'SELECT') && token.depth === 1) return undefined;
      continue;
    }
    if (isKeyword(token, 'SELECT') || isKeyword(token, 'WITH') || isKeyword(token, 'FROM')) {
      return undefined;
    }
    if (isKeyword(token, 'SETTINGS')) settingsAt ??= token.start;
    if (isKeyword(token, 'VALUES')) {
      return headOf(text, settingsAt, token, 'Values', token.end);
    }
    if (isKeyword(token, 'FORMAT')) {
      const name = next();
      if (name?.kind !== 'name') return undefined;
      return headOf(text, settingsAt, token, name.text, dataStart(text, name.end));
    }
  }
  return undefined;
}

/**
 * The statement that inserts the data from a file. Data never becomes part of a statement: the
 * engine takes inline data for ended at a blank line and would run what follows as SQL.
 */
export function insertFromFile(head: InsertHead, path: string): string {
  return `${head.target} FROM INFILE ${quoteText(path)} COMPRESSION 'none' ${head.settings} FORMAT ${head.format}`;
}

function headOf(
  text: string,
  settingsAt: number | undefined,
  clause: Token,
  format: string,
  dataAt: number,
): InsertHead {
  return {
    target: text.slice(0, settingsAt ?? clause.start),
    settings: settingsAt === undefined ? '' : text.slice(settingsAt, clause.start),
    format,
    dataAt,
  };
}

/** Blanks up to and with the first line end belong to the statement, all else to the data. */
function dataStart(text: string, at: number): number {
  const gap = /[ \t\f]*;?[ \t\f]*(?:\r?\n)?/y;
  gap.lastIndex = at;
  return at + (gap.exec(text)?.[0].length ?? 0);
}
