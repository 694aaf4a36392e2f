import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { ClickHouseException, notImplemented, syntaxError } from './clickhouse-exception.ts';
import type { StatementContext } from './lane.ts';
import { MAX_SESSION_TIMEOUT_SECONDS, SESSION_TIMEOUT_SECONDS } from './limits.ts';
import { isPlainName } from './sql-text.ts';

/** A named HTTP session that a request wants to go on in. */
export interface SessionRequest {
  readonly id: string;
  readonly timeoutSeconds: number;
  /** Fail unless the session is there already. */
  readonly mustExist: boolean;
  /** End the session with this request. */
  readonly closes: boolean;
}

/** What a request says beside its statement and data. */
export interface QueryRequest {
  readonly queryId: string;
  /** The statement, or its beginning, from the URL. */
  readonly query: string | undefined;
  readonly context: StatementContext;
  readonly defaultFormat: string;
  readonly session: SessionRequest | undefined;
  readonly waitsForEnd: boolean;
  readonly wantsCompression: boolean;
}

/**
 * Parameters of the HTTP interface itself. Everything else is a setting. Some of these are names of
 * settings too; they rule how a server talks HTTP, which the engine does not.
 */
const OWN_PARAMETERS = new Set(
  ['query', 'query_id', 'database', 'default_format', 'user', 'password', 'quota_key', 'stacktrace']
    .concat(['session_id', 'session_timeout', 'session_check', 'close_session', 'client_protocol'])
    .concat(['wait_end_of_query', 'buffer_size', 'compress', 'decompress', 'role'])
    .concat(['send_progress_in_http_headers', 'http_headers_progress_interval_ms'])
    .concat(['enable_http_compression', 'http_zlib_compression_level'])
    .concat(['http_wait_end_of_query', 'http_response_buffer_size', 'http_response_headers'])
    .concat([
      'http_write_exception_in_output_format',
      'cancel_http_readonly_queries_on_client_close',
    ])
    .concat(['add_http_cors_header', 'log_comment'])
    .concat(['http_native_compression_disable_checksumming_on_decompress']),
);

/**
 * Reads parameters and headers of a query.
 *
 * @throws ClickHouseException for what a server would refuse, and for what only a server can do
 */
export function readQueryRequest(
  request: IncomingMessage,
  query: URLSearchParams,
  knownSettings: ReadonlySet<string>,
): QueryRequest {
  if (isOn(query, 'compress') || isOn(query, 'decompress')) {
    throw notImplemented(
      'The native compression (compress, decompress) is not supported by the embedded warehouse: use gzip (Content-Encoding, Accept-Encoding)',
    );
  }
  if (query.has('role')) {
    throw notImplemented('Roles are not supported by the embedded warehouse');
  }
  if (request.headers['content-type']?.startsWith('multipart/form-data') === true) {
    throw notImplemented(
      'External data (multipart/form-data) is not supported by the embedded warehouse',
    );
  }
  const settings = new Map<string, string>();
  const params = new Map<string, string>();
  for (const [name, value] of query) {
    if (name.startsWith('param_')) params.set(paramName(name), value);
    else if (!OWN_PARAMETERS.has(name)) settings.set(settingName(name, knownSettings), value);
  }
  const defaultFormat =
    query.get('default_format') ?? header(request, 'x-clickhouse-format') ?? 'TabSeparated';
  if (!isPlainName(defaultFormat)) {
    throw new ClickHouseException(73, 'UNKNOWN_FORMAT', `Unknown format ${defaultFormat}`);
  }
  const text = query.get('query') ?? '';
  return {
    queryId: nonEmpty(query.get('query_id')) ?? randomUUID(),
    query: text === '' ? undefined : text,
    context: {
      settings,
      params,
      database: nonEmpty(query.get('database') ?? header(request, 'x-clickhouse-database')),
    },
    defaultFormat,
    session: readSession(query),
    waitsForEnd: isOn(query, 'wait_end_of_query') || isOn(query, 'http_wait_end_of_query'),
    wantsCompression: isOn(query, 'enable_http_compression'),
  };
}

function readSession(query: URLSearchParams): SessionRequest | undefined {
  const id = nonEmpty(query.get('session_id'));
  if (id === undefined) return undefined;
  const timeoutSeconds = Number(query.get('session_timeout') ?? SESSION_TIMEOUT_SECONDS);
  if (!Number.isInteger(timeoutSeconds) || timeoutSeconds < 0) {
    throw new ClickHouseException(374, 'INVALID_SESSION_TIMEOUT', 'Invalid session timeout');
  }
  if (timeoutSeconds > MAX_SESSION_TIMEOUT_SECONDS) {
    throw new ClickHouseException(
      374,
      'INVALID_SESSION_TIMEOUT',
      `Session timeout '${timeoutSeconds}' is larger than max_session_timeout: ${MAX_SESSION_TIMEOUT_SECONDS}`,
    );
  }
  return {
    id,
    timeoutSeconds,
    mustExist: isOn(query, 'session_check'),
    closes: isOn(query, 'close_session'),
  };
}

function paramName(parameter: string): string {
  const name = parameter.slice('param_'.length);
  if (!isPlainName(name)) throw syntaxError(`Bad name of a query parameter: ${name}`);
  return name;
}

function settingName(name: string, known: ReadonlySet<string>): string {
  if (known.has(name)) return name;
  throw new ClickHouseException(
    115,
    'UNKNOWN_SETTING',
    `Setting ${name} is neither a builtin setting nor started with the prefix 'SQL_' registered for user-defined settings`,
  );
}

function header(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name];
  return Array.isArray(value) ? value[0] : value;
}

function nonEmpty(text: string | null | undefined): string | undefined {
  return text === null || text === '' ? undefined : text;
}

function isOn(query: URLSearchParams, name: string): boolean {
  const value = query.get(name);
  return value !== null && value !== '0' && value !== 'false' && value !== '';
}
