/**
 * A failure as ClickHouse tells it: number, text and name.
 *
 * The text may hold values of the query; it goes to the client that sent them, never to a log.
 */
export class ClickHouseException extends Error {
  /** ClickHouse's error number, e.g. 60. */
  readonly code: number;
  /** ClickHouse's name of it, e.g. `UNKNOWN_TABLE`. */
  readonly type: string;

  constructor(code: number, type: string, message: string) {
    super(message);
    this.name = 'ClickHouseException';
    this.code = code;
    this.type = type;
  }

  /** The line a ClickHouse server answers with. */
  render(version: string): string {
    const stop = /[.!?]$/.test(this.message) ? '' : '.';
    return `Code: ${this.code}. DB::Exception: ${this.message}${stop} (${this.type}) (version ${version})`;
  }
}

const STD_EXCEPTION = 1001;

/** Reads what the engine threw; anything without a number is ClickHouse's STD_EXCEPTION. */
export function toClickHouseException(error: unknown): ClickHouseException {
  if (error instanceof ClickHouseException) return error;
  let text = error instanceof Error ? error.message : String(error);
  let code = STD_EXCEPTION;
  let type = 'STD_EXCEPTION';
  // The client half of the engine wraps what its server half threw: the innermost one tells most.
  for (;;) {
    const outer = /^Code: (\d+)\. DB::Exception: (.*)$/s.exec(text);
    if (outer === null) break;
    code = Number(outer[1]);
    text = outer[2] ?? '';
  }
  for (;;) {
    const suffix =
      /^(.*?)\s*\((?:version [^()]*(?:\([^()]*\))?|([A-Z][A-Z0-9_]{2,}))\)\.?\s*$/s.exec(text);
    if (suffix === null) break;
    text = suffix[1] ?? '';
    type = suffix[2] ?? type;
  }
  return new ClickHouseException(code, type, text);
}

/** A syntax error of a kind that never reaches the engine. */
export function syntaxError(message: string): ClickHouseException {
  return new ClickHouseException(62, 'SYNTAX_ERROR', message);
}

/** Something the user may not do. */
export function accessDenied(message: string): ClickHouseException {
  return new ClickHouseException(497, 'ACCESS_DENIED', message);
}

/** Something that a ClickHouse server does and this one does not. */
export function notImplemented(message: string): ClickHouseException {
  return new ClickHouseException(48, 'NOT_IMPLEMENTED', message);
}
