import { isKeyword, isSymbol, tokenize, type Token } from './sql-tokens.ts';
import { syntaxError } from './clickhouse-exception.ts';

/** What the server has to know of a statement that comes without data. */
export interface Statement {
  readonly text: string;
  /**
   * - `select`: gives rows, perhaps many; its result is streamed.
   * - `session`: changes what follows on its connection (SET, USE, temporary tables).
   * - `show`: gives a few rows and changes nothing.
   * - `write`: everything else.
   */
  readonly kind: 'select' | 'session' | 'show' | 'write';
  /** Where the text between query and FORMAT clause goes; its end when there is no such clause. */
  readonly outputAt: number;
  /** Format that the statement itself asks for. */
  readonly format: string | undefined;
  /** Names of the parameters it refers to, as in `{name:Type}`. */
  readonly params: ReadonlySet<string>;
}

const SHOW = ['SHOW', 'DESCRIBE', 'DESC', 'EXPLAIN', 'EXISTS'];

/**
 * Looks at a statement to decide how to run it. This is no security check: it only has to be right
 * about statements that the engine accepts.
 *
 * @throws ClickHouseException for no statement, several statements, and clauses that make the
 *   client half of the engine read or write files
 */
export function readStatement(text: string): Statement {
  const tokens = withoutFinalSemicolon([...tokenize(text)]);
  const first = tokens[0];
  if (first === undefined) throw syntaxError('Empty query');
  if (tokens.some((token) => isSymbol(token, ';') && token.depth === 0)) {
    throw syntaxError('Syntax error (Multi-statements are not allowed)');
  }
  refuseFiles(tokens);
  const formatIndex = formatClauseIndex(tokens);
  const last = tokens.at(-1) ?? first;
  return {
    text: text.slice(0, last.end),
    kind: kindOf(tokens),
    outputAt: formatIndex === undefined ? last.end : (tokens[formatIndex]?.start ?? last.end),
    format: formatIndex === undefined ? undefined : tokens[formatIndex + 1]?.text,
    params: referredParams(tokens),
  };
}

/** Names in `{name:Type}` of a text. */
export function referredParams(tokens: readonly Token[]): ReadonlySet<string> {
  const names = new Set<string>();
  tokens.forEach((token, index) => {
    const name = tokens[index + 1];
    if (isSymbol(token, '{') && name?.kind === 'name' && isSymbol(tokens[index + 2], ':')) {
      names.add(name.text);
    }
  });
  return names;
}

function withoutFinalSemicolon(tokens: Token[]): Token[] {
  while (isSymbol(tokens.at(-1), ';')) tokens.pop();
  return tokens;
}

/** INTO OUTFILE and FROM INFILE are for a client on its own machine; here they would be ours. */
function refuseFiles(tokens: readonly Token[]): void {
  tokens.forEach((token, index) => {
    const next = tokens[index + 1];
    if (isKeyword(token, 'INTO') && isKeyword(next, 'OUTFILE')) {
      throw syntaxError('INTO OUTFILE is not allowed');
    }
    if (isKeyword(token, 'FROM') && isKeyword(next, 'INFILE')) {
      throw syntaxError('FROM INFILE is not allowed');
    }
  });
}

function kindOf(tokens: readonly Token[]): Statement['kind'] {
  const [first, second] = tokens;
  const keyword = first?.kind === 'name' && !first.quoted ? first.text.toUpperCase() : '';
  if (keyword === 'SET' || keyword === 'USE') return 'session';
  if (SHOW.includes(keyword)) return 'show';
  if (keyword === 'WITH' || keyword === 'FROM' || keyword === 'SELECT' || isSymbol(first, '(')) {
    const inserts = tokens.some(
      (token, index) =>
        token.depth === 0 && isKeyword(token, 'INSERT') && isKeyword(tokens[index + 1], 'INTO'),
    );
    return inserts ? 'write' : 'select';
  }
  const temporary = isKeyword(second, 'TEMPORARY') || isKeyword(tokens[3], 'TEMPORARY');
  return temporary ? 'session' : 'write';
}

/** Index of the FORMAT keyword that ends a query, with perhaps SETTINGS behind it. */
function formatClauseIndex(tokens: readonly Token[]): number | undefined {
  for (let index = tokens.length - 2; index > 0; index -= 1) {
    const token = tokens[index];
    if (token?.depth !== 0 || !isKeyword(token, 'FORMAT')) continue;
    const name = tokens[index + 1];
    const after = tokens[index + 2];
    const isLast = after === undefined || isKeyword(after, 'SETTINGS');
    if (name?.kind === 'name' && isLast && canEndQuery(tokens[index - 1])) return index;
  }
  return undefined;
}

/** Whether a query can end with this token; not so where FORMAT is a column's name. */
function canEndQuery(token: Token | undefined): boolean {
  if (token?.kind === 'symbol') return [')', ']', '}', '*'].includes(token.text);
  return !isKeyword(token, 'SELECT') && !isKeyword(token, 'BY') && !isKeyword(token, 'AS');
}
