import pg from 'pg';
import { z } from 'zod';
import { loadConfig, secret } from '#runtime/config.ts';
import { describeError } from '#runtime/errors.ts';
import { EXIT } from '#runtime/lifecycle.ts';

/*
 * Renames users.email to primary_email, and adds secondary_email, while the service answers: expand,
 * change the code, contract. Nobody else has to know.
 *
 *   1. node --import tsx services/users/rename-email.ts expand
 *   2. start new processes with EMAIL_COLUMN=primary_email, then end the old ones
 *   3. node --import tsx services/users/rename-email.ts contract
 *
 * After the first step both columns are there and agree, whichever a process writes; until the third,
 * everything can be taken back. In tributary.yaml of whoever captures the table, before the third:
 * `renames: { public.users: { email: primary_email } }`.
 */

/** Rows per statement of the backfill: none of them holds locks for long. */
const BATCH = 500;
/** A statement that waits for a lock makes all others wait behind it: rather give up and try again. */
const LOCK_TIMEOUT = "SET lock_timeout = '1s'";
const LOCK_NOT_AVAILABLE = '55P03';

const ADD = `
  ALTER TABLE users ADD COLUMN IF NOT EXISTS primary_email text,
    ADD COLUMN IF NOT EXISTS secondary_email text;

  CREATE OR REPLACE FUNCTION users_emails_agree() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    IF TG_OP = 'INSERT' THEN
      NEW.primary_email := coalesce(NEW.primary_email, NEW.email);
      NEW.email := NEW.primary_email;
    ELSIF NEW.email IS DISTINCT FROM OLD.email THEN
      NEW.primary_email := NEW.email;
    ELSE
      NEW.email := coalesce(NEW.primary_email, NEW.email);
    END IF;
    RETURN NEW;
  END $$;

  CREATE OR REPLACE TRIGGER users_emails_agree BEFORE INSERT OR UPDATE ON users
    FOR EACH ROW EXECUTE FUNCTION users_emails_agree();`;

const BACKFILL = `
  UPDATE users SET primary_email = email WHERE id IN (
    SELECT id FROM users WHERE primary_email IS NULL LIMIT ${BATCH} FOR UPDATE SKIP LOCKED)`;

/** Statements of their own: an index is not built concurrently within a transaction. */
const CONSTRAIN = [
  'CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS users_primary_email_key ON users (primary_email)',
  `ALTER TABLE users DROP CONSTRAINT IF EXISTS users_primary_email_there,
     ADD CONSTRAINT users_primary_email_there CHECK (primary_email IS NOT NULL) NOT VALID`,
  'ALTER TABLE users VALIDATE CONSTRAINT users_primary_email_there',
  'ALTER TABLE users ALTER COLUMN primary_email SET NOT NULL',
  'ALTER TABLE users DROP CONSTRAINT users_primary_email_there',
];

const CONTRACT = `
  BEGIN;
  DROP TRIGGER IF EXISTS users_emails_agree ON users;
  DROP FUNCTION IF EXISTS users_emails_agree();
  ALTER TABLE users DROP COLUMN IF EXISTS email;
  COMMIT`;

/** Adds the new columns, keeps both in step from now on, and fills what was there. May be repeated. */
export async function expand(url: string): Promise<void> {
  await withClient(url, async (client) => {
    await withoutQueueing(client, ADD);
    for (;;) {
      const { rowCount } = await client.query(BACKFILL);
      if (rowCount !== 0) continue;
      // Rows that were locked were skipped.
      const left = await client.query('SELECT FROM users WHERE primary_email IS NULL LIMIT 1');
      if (left.rowCount === 0) break;
    }
    for (const statement of CONSTRAIN) await withoutQueueing(client, statement);
  });
}

/** Takes the old column away; no process may read it any more. May be repeated. */
export async function contract(url: string): Promise<void> {
  await withClient(url, async (client) => withoutQueueing(client, CONTRACT));
}

/** Runs a statement that needs a lock on the whole table, between those of others. */
async function withoutQueueing(client: pg.Client, statement: string): Promise<void> {
  for (;;) {
    try {
      await client.query(statement);
      return;
    } catch (error) {
      await client.query('ROLLBACK');
      if (!(error instanceof pg.DatabaseError) || error.code !== LOCK_NOT_AVAILABLE) throw error;
    }
  }
}

async function withClient(url: string, act: (client: pg.Client) => Promise<void>): Promise<void> {
  const client = new pg.Client({ connectionString: url, application_name: 'rename-email' });
  await client.connect();
  try {
    await client.query(LOCK_TIMEOUT);
    await act(client);
  } finally {
    await client.end();
  }
}

if (process.argv[1] === new URL(import.meta.url).pathname) {
  const step = { expand, contract }[z.enum(['expand', 'contract']).parse(process.argv[2])];
  const { databaseUrl } = loadConfig(z.object({ databaseUrl: secret() }), process.env);
  await step(databaseUrl.reveal()).catch((error: unknown) => {
    process.stderr.write(`${describeError(error)}\n`);
    process.exitCode = EXIT.failed;
  });
}
