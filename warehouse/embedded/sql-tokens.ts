/** A piece of SQL that means something; blanks and comments are left out. */
export interface Token {
  /** `name` is a bare or quoted identifier or a keyword; `quoted` tells which. */
  readonly kind: 'name' | 'string' | 'number' | 'symbol';
  /** The identifier without its quotes and escapes, else the text as written. */
  readonly text: string;
  readonly quoted: boolean;
  readonly start: number;
  readonly end: number;
  /** Brackets open around the token; an opening bracket and its closing one have the outer depth. */
  readonly depth: number;
}

const CLOSING_QUOTE: Readonly<Record<string, string>> = {
  "'": "'",
  '"': '"',
  '`': '`',
  '\u2018': '\u2019',
  '\u201C': '\u201D',
};

/**
 * Cuts ClickHouse SQL into tokens the way its own lexer does: comments, quotes with backslash and
 * doubled escapes, here documents.
 *
 * It is lazy: the data after an INSERT's head is not SQL and is never looked at by a caller that
 * stops there. It never fails: what is not closed reaches to the end, for the engine to refuse.
 */
export function* tokenize(sql: string): Generator<Token, void> {
  let at = 0;
  let depth = 0;
  while (at < sql.length) {
    const blank = skipBlank(sql, at);
    if (blank > at) {
      at = blank;
      continue;
    }
    const start = at;
    const character = sql.charAt(at);
    const closing = CLOSING_QUOTE[character];
    if (closing !== undefined) {
      const isString = character === "'" || character === '\u2018';
      at = quoteEnd(sql, at, closing);
      yield {
        kind: isString ? 'string' : 'name',
        text: isString ? sql.slice(start, at) : unquote(sql.slice(start + 1, at - 1), closing),
        quoted: true,
        start,
        end: at,
        depth,
      };
      continue;
    }
    const hereDocument = character === '$' ? hereDocumentEnd(sql, at) : undefined;
    if (hereDocument !== undefined) {
      at = hereDocument;
      yield {
        kind: 'string',
        text: sql.slice(start, at),
        quoted: true,
        start,
        end: at,
        depth,
      };
      continue;
    }
    const word = /[A-Za-z0-9_$]+/y;
    word.lastIndex = at;
    const match = word.exec(sql);
    if (match !== null) {
      at += match[0].length;
      const isNumber = /^[0-9]/.test(match[0]);
      yield {
        kind: isNumber ? 'number' : 'name',
        text: match[0],
        quoted: false,
        start,
        end: at,
        depth,
      };
      continue;
    }
    at += 1;
    if (')]}'.includes(character)) depth -= 1;
    yield { kind: 'symbol', text: character, quoted: false, start, end: at, depth };
    if ('([{'.includes(character)) depth += 1;
  }
}

/** Whether a token is this keyword; a quoted identifier never is. */
export function isKeyword(token: Token | undefined, keyword: string): boolean {
  return token?.kind === 'name' && !token.quoted && token.text.toUpperCase() === keyword;
}

/** Whether a token is this punctuation. */
export function isSymbol(token: Token | undefined, symbol: string): boolean {
  return token?.kind === 'symbol' && token.text === symbol;
}

/** Where the blanks and comments that begin at `at` end. */
function skipBlank(sql: string, at: number): number {
  const space = /\s+|--[^\n]*|#[ !][^\n]*/y;
  space.lastIndex = at;
  const match = space.exec(sql);
  if (match !== null) return at + match[0].length;
  if (!sql.startsWith('/*', at)) return at;
  const end = sql.indexOf('*/', at + 2);
  return end === -1 ? sql.length : end + 2;
}

function quoteEnd(sql: string, start: number, closing: string): number {
  let at = start + 1;
  while (at < sql.length) {
    const character = sql.charAt(at);
    if (character === '\\') at += 2;
    else if (character !== closing) at += 1;
    else if (sql.charAt(at + 1) === closing) at += 2;
    else return at + 1;
  }
  return sql.length;
}

function hereDocumentEnd(sql: string, start: number): number | undefined {
  const opening = /\$[A-Za-z0-9_]*\$/y;
  opening.lastIndex = start;
  const tag = opening.exec(sql)?.[0];
  if (tag === undefined) return undefined;
  const end = sql.indexOf(tag, start + tag.length);
  return end === -1 ? undefined : end + tag.length;
}

function unquote(text: string, quote: string): string {
  return text.replaceAll(quote + quote, quote).replace(/\\(.)/gs, '$1');
}
