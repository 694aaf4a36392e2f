import { accessDenied } from './clickhouse-exception.ts';
import type { Engine } from './engine.ts';
import { isKeyword, isSymbol, tokenize, type Token } from './sql-tokens.ts';
import { quoteText } from './sql-text.ts';

/** Statements that the analyst may run, by their first words in the engine's own spelling. */
const ALLOWED_STATEMENTS = ['SELECT', 'WITH', '(', 'SHOW', 'DESCRIBE', 'EXPLAIN', 'EXISTS'];
/** Further ones inside an HTTP session, where they outlive their request. */
const ALLOWED_IN_SESSION = ['SET', 'USE'];
/** What SHOW may show; SHOW PROCESSLIST would show other people's queries. */
const REFUSED_SHOWS = ['PROCESSLIST', 'USERS', 'GRANTS', 'ACCESS', 'CREATE USER', 'CREATE ROLE'];

/** Table functions that reach nothing beyond the query itself. */
const ALLOWED_TABLE_FUNCTIONS = new Set(
  ['numbers', 'numbers_mt', 'zeros', 'zeros_mt', 'primes', 'generate_series', 'generateSeries']
    .concat(['generateRandom', 'values', 'SQLStandardValues', 'view', 'format', 'null'])
    .map((name) => name.toLowerCase()),
);

/**
 * Functions with no right of their own that reach outside: files, models, the network. Refused
 * wherever their name stands, because a function can also be named without calling it:
 * `APPLY(file)`, `arrayMap(file, …)`.
 */
const REFUSED_FUNCTIONS = new Set(
  ['file', 'catboostEvaluate', 'evalMLMethod', 'reverseDNSQuery', 'aiGenerate', 'aiClassify']
    .concat(['aiExtract', 'aiTranslate', 'aiEmbed', 'getServerSetting'])
    .map((name) => name.toLowerCase()),
);

/** Tables of `system` that tell of data and language, not of people, their queries or the machine. */
const ALLOWED_SYSTEM_TABLES = new Set(
  ['one', 'numbers', 'numbers_mt', 'zeros', 'zeros_mt', 'databases', 'tables', 'columns', 'parts']
    .concat(['parts_columns', 'functions', 'aggregate_function_combinators', 'formats', 'settings'])
    .concat(['data_type_families', 'table_engines', 'table_functions', 'time_zones', 'collations'])
    .concat(['dictionaries', 'mutations', 'merges', 'view_refreshes', 'keywords', 'completions'])
    .concat(['data_skipping_indices', 'projections', 'build_options', 'contributors', 'licenses']),
);

/** A statement of the analyst, with what came beside it. */
export interface AnalystStatement {
  readonly text: string;
  readonly params: ReadonlyMap<string, string>;
  readonly database: string | undefined;
  readonly isInSession: boolean;
}

/**
 * Refuses what the analyst's role and bounds cannot: see "How the analyst is held" in README.md.
 *
 * It looks at the statement as the engine's own parser writes it back, which has one spelling for
 * everything, and refuses by name what it does not know to be harmless.
 *
 * @throws ClickHouseException `SYNTAX_ERROR` from the engine's parser, `ACCESS_DENIED`
 */
export async function checkAnalystStatement(
  engine: Engine,
  statement: AnalystStatement,
): Promise<void> {
  const canonical = await engine.control(
    `SELECT formatQuerySingleLine(${quoteText(statement.text)}) SETTINGS max_query_size = 0`,
  );
  const tokens = [...tokenize(canonical)];
  checkKind(tokens, statement.isInSession);
  checkTokens(tokens, engine.facts.tableFunctions);
  if (isSystem(statement.database)) throw refusal('database system');
  // A parameter can stand for a name: {f:Identifier}.
  for (const value of statement.params.values()) {
    for (const part of value.split('.').map(withoutQuotes)) {
      if (REFUSED_FUNCTIONS.has(part) || (isSystem(part) && namesIdentifiers(tokens))) {
        throw refusal('that name as a parameter');
      }
    }
  }
}

function checkKind(tokens: readonly Token[], isInSession: boolean): void {
  const first = tokens[0]?.text.toUpperCase() ?? '';
  const allowed = isInSession ? [...ALLOWED_STATEMENTS, ...ALLOWED_IN_SESSION] : ALLOWED_STATEMENTS;
  if (!allowed.includes(first)) throw refusal(`the statement ${first}`);
  // SET x = 1, but not SET ROLE x.
  if (first === 'SET' && !isSymbol(tokens[2], '=')) throw refusal('SET ROLE');
  if (first === 'USE' && isSystem(tokens.at(-1)?.text)) throw refusal('USE system');
  if (first === 'SHOW') {
    const shown = [tokens[1], tokens[2]].map((token) => token?.text.toUpperCase() ?? '');
    const refused = REFUSED_SHOWS.find((words) => shown.join(' ').startsWith(words));
    if (refused !== undefined) throw refusal(`SHOW ${refused}`);
  }
}

function checkTokens(tokens: readonly Token[], tableFunctions: ReadonlySet<string>): void {
  tokens.forEach((token, index) => {
    const previous = tokens[index - 1];
    const next = tokens[index + 1];
    if (isKeyword(token, 'INTO') && isKeyword(next, 'OUTFILE')) throw refusal('INTO OUTFILE');
    // The engine checks values against bounds, but not the word DEFAULT, which would lift them.
    if (isSymbol(token, '=') && isKeyword(next, 'DEFAULT')) throw refusal('a setting = DEFAULT');
    if (token.kind !== 'name') return;
    const name = token.text.toLowerCase();
    const isQualified = isSymbol(previous, '.') || isSymbol(next, '.');
    if (REFUSED_FUNCTIONS.has(name) && !isQualified) {
      throw refusal(`${name} (to read a column of that name, qualify it: t.${name})`);
    }
    if (
      isSymbol(next, '(') &&
      tableFunctions.has(name) &&
      !ALLOWED_TABLE_FUNCTIONS.has(name) &&
      !isSymbol(previous, '.')
    ) {
      throw refusal(`the table function ${name}`);
    }
    if (isSystem(name) && isSymbol(next, '.')) {
      const table = tokens[index + 2]?.text ?? '';
      if (!ALLOWED_SYSTEM_TABLES.has(table)) throw refusal(`system.${table}`);
    }
  });
}

/** Whether a parameter stands for a name anywhere. */
function namesIdentifiers(tokens: readonly Token[]): boolean {
  return tokens.some(
    (token, index) => isSymbol(token, ':') && isKeyword(tokens[index + 1], 'IDENTIFIER'),
  );
}

function isSystem(name: string | undefined): boolean {
  return name?.toLowerCase() === 'system';
}

function withoutQuotes(text: string): string {
  return text
    .trim()
    .replaceAll(/[`"\\]/g, '')
    .toLowerCase();
}

function refusal(what: string): Error {
  return accessDenied(`Not enough privileges: the read-only user may not use ${what}`);
}
