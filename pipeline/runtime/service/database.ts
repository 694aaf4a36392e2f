import pg from 'pg';
import type { Secret } from '#runtime/config.ts';
import { messageCode } from '#runtime/errors.ts';
import type { Logger } from '#runtime/log.ts';
import { COLUMN_TYPES } from './column-text.ts';

/** What a repository runs its statements on: the pool, or one transaction. */
export interface Queryable {
  /** Runs one parameterized statement and returns its rows. */
  query<Row extends object>(text: string, values?: readonly unknown[]): Promise<Row[]>;
}

/** A service's own database. */
export interface Database extends Queryable {
  /**
   * Runs `work` in one transaction: committed when it resolves, rolled back when it throws. It is
   * not repeated.
   */
  transaction<T>(work: (transaction: Queryable) => Promise<T>): Promise<T>;
  /** Gives every connection back; waits for statements that run. */
  close(): Promise<void>;
}

/** Most connections one service process takes: five services share a small machine. */
const MAX_CONNECTIONS = 10;
/** Longest wait for a free connection, then the request is answered 503. */
const CONNECT_TIMEOUT_MS = 3_000;
/** Longest a statement may run on the server. */
const STATEMENT_TIMEOUT_MS = 5_000;
/** Longest wait for a lock, shorter than the statement so that the error says why. */
const LOCK_TIMEOUT_MS = 3_000;
/** The client gives up later than the server, for a server that is no longer there to say so. */
const ANSWER_TIMEOUT_MS = 8_000;
const IDLE_IN_TRANSACTION_TIMEOUT_MS = 10_000;

/**
 * Opens a bounded pool; connects at the first statement. Survives the server going away: broken
 * connections are dropped, statements meanwhile fail, later ones connect anew.
 */
export function openDatabase(options: {
  url: Secret;
  applicationName: string;
  log: Logger;
}): Database {
  const pool = new pg.Pool({
    connectionString: options.url.reveal(),
    application_name: options.applicationName,
    // Timestamps are read as text: the session's time zone must not depend on the server's.
    options: '-c timezone=UTC',
    types: COLUMN_TYPES,
    max: MAX_CONNECTIONS,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    statement_timeout: STATEMENT_TIMEOUT_MS,
    lock_timeout: LOCK_TIMEOUT_MS,
    query_timeout: ANSWER_TIMEOUT_MS,
    idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_TIMEOUT_MS,
    idleTimeoutMillis: 30_000,
    keepAlive: true,
  });
  const onLost = (error: Error) => {
    options.log.warn({ code: messageCode(error) ?? error.name }, 'database connection lost');
  };
  pool.on('error', onLost);
  // The pool takes its own listener off while a connection is in use; without one, a server that
  // goes away between two statements of a transaction would end the process.
  pool.on('connect', (client) => client.on('error', () => {}));
  return {
    query: async <Row extends object>(text: string, values: readonly unknown[] = []) =>
      (await pool.query<Row>(text, [...values])).rows,
    transaction: async (work) => inTransaction(await pool.connect(), work),
    close: async () => pool.end(),
  };
}

async function inTransaction<T>(
  client: pg.PoolClient,
  work: (transaction: Queryable) => Promise<T>,
): Promise<T> {
  const transaction: Queryable = {
    query: async <Row extends object>(text: string, values: readonly unknown[] = []) =>
      (await client.query<Row>(text, [...values])).rows,
  };
  let broken = true;
  try {
    await client.query('BEGIN');
    let result: T;
    try {
      result = await work(transaction);
    } catch (error) {
      await client.query('ROLLBACK').then(
        () => {
          broken = false;
        },
        // The connection is gone and the transaction with it; the first failure is the one to tell.
        () => {},
      );
      throw error;
    }
    await client.query('COMMIT');
    broken = false;
    return result;
  } finally {
    client.release(broken);
  }
}
