import { fileURLToPath } from 'node:url';
import { runner } from 'node-pg-migrate';
import pg from 'pg';
import type { Secret } from '#runtime/config.ts';
import { TributaryError } from '#runtime/errors.ts';
import type { Logger } from '#runtime/log.ts';
import { retry, UNTIL_STOPPED } from '#runtime/retry.ts';
import { databaseErrorFields, isDatabaseAway } from './database-error.ts';

/**
 * Schema of the table that remembers which migrations ran. Not `public`: what a service keeps for
 * itself is no business of whoever captures `public.*`.
 */
export const MIGRATIONS_SCHEMA = 'migrations';

/** What {@link applyMigrations} needs to know. */
export interface MigrationOptions {
  readonly url: Secret;
  /** Folder of `NNN_name.sql` files. */
  readonly folder: URL;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/**
 * Brings the database up to the newest migration and returns how many were applied. Processes that
 * start together wait for one another (advisory lock); a database that is away is waited for until
 * `signal` aborts.
 *
 * @throws TributaryError `MIGRATION_FAILED` when a statement fails or the files and the database
 *   disagree about the order
 */
export async function applyMigrations(options: MigrationOptions): Promise<number> {
  const { log, signal } = options;
  return retry(async () => migrateOnce(options), {
    policy: UNTIL_STOPPED,
    signal,
    log,
    what: 'apply migrations',
  });
}

async function migrateOnce({ url, folder, log, signal }: MigrationOptions): Promise<number> {
  const client = new pg.Client({
    connectionString: url.reveal(),
    application_name: 'migrations',
    connectionTimeoutMillis: 5_000,
  });
  client.on('error', () => {});
  // Ends a wait for the lock, too.
  const leave = () => void client.end().catch(() => {});
  signal.addEventListener('abort', leave, { once: true });
  try {
    await client.connect();
    const applied = await runner({
      dbClient: client,
      dir: fileURLToPath(folder),
      direction: 'up',
      migrationsTable: 'applied',
      migrationsSchema: MIGRATIONS_SCHEMA,
      createMigrationsSchema: true,
      advisoryLockMode: 'wait',
      log: (text) => log.trace({ text }, 'migration'),
    });
    if (applied.length > 0) log.info({ applied: applied.length }, 'migrations applied');
    return applied.length;
  } catch (error) {
    signal.throwIfAborted();
    if (isDatabaseAway(error)) {
      throw new TributaryError('SOURCE_UNAVAILABLE', 'the database does not answer yet', {
        cause: error,
      });
    }
    const fields = databaseErrorFields(error);
    throw new TributaryError(
      'MIGRATION_FAILED',
      `a migration failed: ${error instanceof Error ? error.message : String(error)}`,
      {
        cause: error,
        context: fields ?? {},
        fix: 'Correct the newest file in migrations/; a file that was applied stays as it is.',
      },
    );
  } finally {
    signal.removeEventListener('abort', leave);
    await client.end().catch(() => {});
  }
}
