import pg from 'pg';
import type { Secret } from '#runtime/config.ts';
import { TributaryError } from '#runtime/errors.ts';
import type { Source } from '../pipeline/catalog/catalog.ts';
import { capturedTables } from './captured-tables.ts';
import { captureNames } from './connector-config.ts';
import { gatherFacts } from './gather-facts.ts';
import { withDatabase } from './source-connection.ts';
import { provisionSql } from './provision-sql.ts';
import type { SourceFacts } from './source-facts.ts';
import { withoutWholeRows } from './whole-rows.ts';

/**
 * The script that prepares a source's database, for the tables that its patterns match now.
 *
 * Tables that must not be published are left out: without a primary key, and without whole rows in its
 * stead, Postgres would refuse the service its updates on them. Preflight reports these.
 *
 * @param password - for a capture role that has to be made
 * @throws TributaryError `PREFLIGHT_FAILED` when there is no table to publish
 */
export function provisionScript(source: Source, facts: SourceFacts, password?: string): string {
  const tables = capturedTables(source, facts).published.filter(
    (table) =>
      !table.unlogged &&
      (table.primaryKey === 'immediate' ||
        withoutWholeRows(facts, table).length === 0 ||
        table.identityColumns.length > 0),
  );
  if (tables.length === 0) {
    throw new TributaryError(
      'PREFLIGHT_FAILED',
      `source ${source.name}: no table whose rows can be told apart matches ${source.tables.map(({ text }) => text).join(', ')}`,
      { fix: 'Make the tables first, or correct the patterns in the catalog.' },
    );
  }
  return provisionSql({
    role: source.address.user,
    ...(password === undefined ? {} : { password }),
    database: facts.database,
    publication: captureNames(source.name).publication,
    tables,
    source,
    serverVersion: facts.serverVersion,
  });
}

/**
 * Prepares a source's database for capture: makes its role, with the password of the source's url,
 * grants what it needs and makes the publication. Running it again changes nothing.
 *
 * @param adminUrl - the same database, as a role that may do all this
 * @throws TributaryError `SOURCE_UNAVAILABLE`, `PREFLIGHT_FAILED`
 */
export async function provision(adminUrl: Secret, source: Source): Promise<void> {
  await withDatabase(source.name, adminUrl, async (client) => {
    const { publication } = captureNames(source.name);
    const facts = await gatherFacts(client, source.address.user, publication);
    const script = provisionScript(source, facts, source.password.reveal());
    try {
      await client.query(script);
    } catch (error) {
      if (!(error instanceof pg.DatabaseError)) throw error;
      // The driver's error would quote the statement, and with it the password: keep its text alone.
      throw new TributaryError(
        'PREFLIGHT_FAILED',
        `source ${source.name}: cannot prepare the database: ${error.message}`,
        { fix: `Run the script as a superuser: tributary connectors sql ${source.name}` },
      );
    }
  });
}
