import { ClickHouseError } from '@clickhouse/client';
import { describeError, messageCode, TributaryError } from '#runtime/errors.ts';

/**
 * ClickHouse error codes that pass by themselves: overload, memory, timeouts, read-only replicas,
 * start-up. Kept narrow; what is not here halts.
 *
 * @see ClickHouse source, `src/Common/ErrorCodes.cpp`
 */
const TRANSIENT_CODES: ReadonlySet<string> = new Set([
  '3', // UNEXPECTED_END_OF_FILE: the connection broke in the middle of a body
  '159', // TIMEOUT_EXCEEDED
  '202', // TOO_MANY_SIMULTANEOUS_QUERIES
  '203', // NO_FREE_CONNECTION
  '209', // SOCKET_TIMEOUT
  '210', // NETWORK_ERROR
  '236', // ABORTED: the server is shutting down
  '241', // MEMORY_LIMIT_EXCEEDED
  '242', // TABLE_IS_READ_ONLY
  '252', // TOO_MANY_PARTS
  '319', // UNKNOWN_STATUS_OF_INSERT
  '394', // QUERY_WAS_CANCELLED: by a shutdown
  '425', // SYSTEM_ERROR
  '999', // KEEPER_EXCEPTION
]);

/** Codes that say that a value does not fit its column. */
const VALUE_CODES: ReadonlySet<string> = new Set([
  '6', // CANNOT_PARSE_TEXT
  '26', // CANNOT_PARSE_QUOTED_STRING
  '27', // CANNOT_PARSE_INPUT_ASSERTION_FAILED
  '38', // CANNOT_PARSE_DATE
  '41', // CANNOT_PARSE_DATETIME
  '53', // TYPE_MISMATCH
  '69', // ARGUMENT_OUT_OF_BOUND
  '70', // CANNOT_CONVERT_TYPE
  '72', // CANNOT_PARSE_NUMBER
  '117', // INCORRECT_DATA
  '131', // TOO_LARGE_STRING_SIZE
  '321', // VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE
  '349', // CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN
  '376', // CANNOT_PARSE_UUID
  '467', // CANNOT_PARSE_BOOL
]);

/**
 * Names a failure of the ClickHouse client. The server's message is left out where it quotes
 * values.
 *
 * @param doing - what was tried, for the message; no values
 */
export function sinkError(error: unknown, doing: string): TributaryError {
  if (error instanceof TributaryError) return error;
  if (!(error instanceof ClickHouseError)) {
    // Not an answer of the server: the connection was refused, broke, or timed out.
    return new TributaryError('SINK_UNAVAILABLE', `${doing}: ${describeError(error)}`, {
      cause: error,
    });
  }
  const code = messageCode(error) ?? '0';
  const context = { clickhouseCode: code, clickhouseError: error.type };
  const name = `ClickHouse error ${code}${error.type === undefined ? '' : ` (${error.type})`}`;
  if (VALUE_CODES.has(code)) {
    return new TributaryError('VALUE_REJECTED', `${doing}: ${name}`, { context });
  }
  const kind = TRANSIENT_CODES.has(code) ? 'SINK_UNAVAILABLE' : 'SINK_REFUSED';
  return new TributaryError(kind, `${doing}: ${name}: ${error.message}`, { context, cause: error });
}
