import { z } from 'zod';
import { readFile } from 'node:fs/promises';
import type { Database, Queryable } from '#runtime/service/database.ts';
import { violates } from '#runtime/service/database-error.ts';
import { Problem } from '#runtime/service/problem.ts';

/** A row of `generations`, as the API shows it. */
export const generationShape = z.object({
  number: z.int(),
  state: z.enum(['building', 'serving', 'retired']),
  began_at: z.iso.datetime(),
  served_at: z.iso.datetime().nullable(),
  retired_at: z.iso.datetime().nullable(),
});
/** See {@link generationShape}. */
export type Generation = z.output<typeof generationShape>;

const GENERATION = 'number, state, began_at, served_at, retired_at';
/** Requests that began before a change of generation may still read the old one. */
const KEEP_RETIRED = "interval '10 seconds'";

/** Schema of a generation's tables. */
export function schemaOf(number: number): string {
  return `generation_${number}`;
}

/** Consumer group that builds a generation. */
export function groupOf(number: number): string {
  return `order-history-${number}`;
}

/** The generations of the read model. */
export class Generations {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Newest first. */
  async list(): Promise<Generation[]> {
    return this.#database.query<Generation>(
      `SELECT ${GENERATION} FROM generations ORDER BY number DESC LIMIT 50`,
    );
  }

  /** The one that answers requests; undefined before the first. */
  async serving(): Promise<Generation | undefined> {
    const [row] = await this.#database.query<Generation>(
      `SELECT ${GENERATION} FROM generations WHERE state = 'serving'`,
    );
    return row;
  }

  /** Makes the first generation, which serves while it is built. Does nothing when there is one. */
  async begin(): Promise<void> {
    await this.#database.transaction(async (transaction) => {
      // Of two processes that start together, one makes it.
      await transaction.query(`SELECT pg_advisory_xact_lock(hashtextextended('generations', 0))`);
      if ((await transaction.query('SELECT FROM generations')).length > 0) return;
      await create(transaction, 'serving');
    });
  }

  /** Begins a new generation beside the one that serves. @throws Problem `conflict` when one is being built */
  async rebuild(): Promise<Generation> {
    try {
      return await this.#database.transaction(async (transaction) =>
        create(transaction, 'building'),
      );
    } catch (error) {
      throw violates(error, 'generations_one_builds')
        ? new Problem('conflict', 'A new read model is being built already.', { cause: error })
        : error;
    }
  }

  /** Has a generation that is complete answer requests from now on; nothing when it does already. */
  async promote(number: number): Promise<void> {
    await this.#database.transaction(async (transaction) => {
      // Of two processes that see it complete, the second finds it serving, and nothing to do.
      const building = await transaction.query(
        `SELECT FROM generations WHERE number = $1 AND state = 'building' FOR UPDATE`,
        [number],
      );
      if (building.length === 0) return;
      await transaction.query(
        `UPDATE generations SET state = 'retired', retired_at = now() WHERE state = 'serving'`,
      );
      await transaction.query(
        `UPDATE generations SET state = 'serving', served_at = now() WHERE number = $1`,
        [number],
      );
    });
  }

  /** Removes the tables of generations that nobody can be reading any more. */
  async sweep(): Promise<void> {
    const old = await this.#database.query<{ number: number }>(
      `SELECT number FROM generations
       WHERE state = 'retired' AND retired_at < now() - ${KEEP_RETIRED}
         AND to_regnamespace('generation_' || number) IS NOT NULL`,
    );
    for (const { number } of old) {
      await this.#database.query(`DROP SCHEMA IF EXISTS ${schemaOf(number)} CASCADE`);
    }
  }
}

async function create(transaction: Queryable, state: 'building' | 'serving'): Promise<Generation> {
  const [row] = await transaction.query<Generation>(
    `INSERT INTO generations (state, served_at)
     VALUES ($1::generation_state, CASE WHEN $1 = 'serving' THEN now() END) RETURNING ${GENERATION}`,
    [state],
  );
  if (row === undefined) throw new Error('INSERT returned no row');
  const tables = await readFile(new URL('./read-model.sql', import.meta.url), 'utf8');
  await transaction.query(`CREATE SCHEMA ${schemaOf(row.number)}`);
  await transaction.query(`SET LOCAL search_path TO ${schemaOf(row.number)}`);
  await transaction.query(tables);
  return row;
}
