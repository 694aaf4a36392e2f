import pg from 'pg';
import type { Secret } from '#runtime/config.ts';
import { describeError, TributaryError } from '#runtime/errors.ts';

/** First version whose pgoutput streams what the heartbeat writes. */
const OLDEST_SERVER = 140_000;
const CONNECT_TIMEOUT_MS = 10_000;
const STATEMENT_TIMEOUT_MS = 30_000;

/**
 * Runs `work` on a connection to a source's database.
 *
 * @param source - the source's name, for messages
 * @throws TributaryError `SOURCE_UNAVAILABLE`; `PREFLIGHT_FAILED` when the role may not log in, the
 * database is not there or the server is too old; whatever `work` throws
 */
export async function withDatabase<T>(
  source: string,
  url: Secret,
  work: (client: pg.Client) => Promise<T>,
): Promise<T> {
  const client = new pg.Client({
    connectionString: url.reveal(),
    application_name: 'tributary connectors',
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    statement_timeout: STATEMENT_TIMEOUT_MS,
  });
  // A connection that breaks between two queries would otherwise end the process.
  client.on('error', () => undefined);
  try {
    await client.connect().catch((error: unknown) => {
      throw cannotConnect(source, error);
    });
    const { rows } = await client.query<{ version: number }>(
      "SELECT current_setting('server_version_num')::int AS version",
    );
    const version = rows[0]?.version ?? 0;
    if (version < OLDEST_SERVER) {
      throw new TributaryError(
        'PREFLIGHT_FAILED',
        `source ${source}: PostgreSQL ${Math.floor(version / 10_000)} is too old`,
        { fix: 'Upgrade to PostgreSQL 14 or later.' },
      );
    }
    return await work(client);
  } finally {
    await client.end().catch(() => undefined);
  }
}

function cannotConnect(source: string, error: unknown): TributaryError {
  const state = error instanceof pg.DatabaseError ? (error.code ?? '') : '';
  // Class 28 is "may not log in", 3D000 "no such database": trying again mends neither.
  const refused = state.startsWith('28') || state === '3D000';
  return refused
    ? new TributaryError(
        'PREFLIGHT_FAILED',
        `source ${source}: its database refuses the connection: ${describeError(error)}`,
        { cause: error, fix: 'Correct user, password and database in the url of the source.' },
      )
    : new TributaryError(
        'SOURCE_UNAVAILABLE',
        `source ${source}: its database does not answer: ${describeError(error)}`,
        { cause: error },
      );
}
