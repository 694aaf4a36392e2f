import pg from 'pg';
import { messageCode } from '#runtime/errors.ts';
import { Problem, unavailable } from './problem.ts';

/** SQLSTATEs, and whole classes by their first two characters, of a server that is away or busy. */
const AWAY = new Set(['08', '53', '57P01', '57P02', '57P03', '57014', '55P03', '25P03', '58']);
/** Two transactions in each other's way: the same request works when it is sent again. */
const COLLIDED = new Set(['40001', '40P01']);
/** Node's codes of a connection that failed. */
const NETWORK = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
]);
/** The driver's own failures carry no code, only these words. */
const DRIVER_MESSAGE =
  /^(Connection terminated|timeout exceeded when trying to connect|timeout expired|Query read timeout|Client has encountered a connection error|Cannot use a pool after calling end)/;

/** True when the database did not answer, was restarting, or took too long. */
export function isDatabaseAway(error: unknown): boolean {
  if (error instanceof pg.DatabaseError) {
    const state = error.code ?? '';
    return AWAY.has(state) || AWAY.has(state.slice(0, 2));
  }
  if (error instanceof AggregateError) return error.errors.some(isDatabaseAway);
  if (NETWORK.has(messageCode(error) ?? '')) return true;
  return error instanceof Error && DRIVER_MESSAGE.test(error.message);
}

/** True when the same transaction may succeed when it is run again. */
export function mayWorkNextTime(error: unknown): boolean {
  return (
    isDatabaseAway(error) || (error instanceof pg.DatabaseError && COLLIDED.has(error.code ?? ''))
  );
}

/**
 * The problem a failed statement is answered with, or undefined when the failure is a bug of ours.
 * Says nothing of tables or SQL; repositories turn the conflicts they expect into better words.
 */
export function databaseProblem(error: unknown): Problem | undefined {
  if (isDatabaseAway(error)) {
    return unavailable('service-unavailable', 'The database does not answer; try again.', {
      cause: error,
    });
  }
  if (!(error instanceof pg.DatabaseError)) return undefined;
  const state = error.code ?? '';
  if (COLLIDED.has(state)) {
    return unavailable('service-unavailable', 'Two changes collided; send this one again.', {
      cause: error,
    });
  }
  if (state === '23505') {
    return new Problem('conflict', 'Something with these identifying values exists already.', {
      cause: error,
    });
  }
  if (state === '23503') {
    return new Problem('rule-violated', 'Something this refers to does not exist, or is in use.', {
      cause: error,
    });
  }
  if (state === '23514' || state.startsWith('22')) {
    return new Problem('rule-violated', 'A value is outside of what can be stored.', {
      cause: error,
    });
  }
  return undefined;
}

/** True when the statement broke the named unique or foreign key constraint. */
export function violates(error: unknown, constraint: string): boolean {
  return error instanceof pg.DatabaseError && error.constraint === constraint;
}

/** Facts of a failed statement that are safe to log: a database's message can quote row values. */
export function databaseErrorFields(error: unknown): Record<string, string> | undefined {
  if (!(error instanceof pg.DatabaseError)) return undefined;
  const { code, table, column, constraint, routine } = error;
  return Object.fromEntries(
    Object.entries({ code, table, column, constraint, routine }).filter(
      (entry): entry is [string, string] => entry[1] !== undefined,
    ),
  );
}
