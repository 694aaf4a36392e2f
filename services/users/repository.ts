import { publish } from '#events/outbox.ts';
import type { Database } from '#runtime/service/database.ts';
import { violates } from '#runtime/service/database-error.ts';
import { assignments, changedRow } from '#runtime/service/patch.ts';
import { notFound, Problem } from '#runtime/service/problem.ts';
import { changed, deleted, erased, registered, restated } from './events.ts';
import type { Address, AddressBody, EmailColumn, NewUser, User, UserChange } from './user.ts';

const REST = `name, country, region, phone, birth_date, status, marketing_consent, preferences, tags,
  loyalty_points, login_count, last_login_at, version, created_at, updated_at`;

const ADDRESS = `user_id, label, recipient, line1, line2, city, postcode, country, region, created_at,
  updated_at`;

/** The SQL of users and their addresses. */
export class UserRepository {
  readonly #database: Database;
  readonly #emailColumn: EmailColumn;
  /** What a query of users selects. */
  readonly #user: string;

  constructor(database: Database, emailColumn: EmailColumn) {
    this.#database = database;
    this.#emailColumn = emailColumn;
    const emails = emailColumn === 'email' ? 'email' : 'primary_email AS email, secondary_email';
    this.#user = `id, ${emails}, ${REST}`;
  }

  /** @throws Problem `conflict` when the address or the id is taken */
  async create(user: NewUser): Promise<User> {
    try {
      return await this.#database.transaction(async (transaction) => {
        const [row] = await transaction.query<User>(
          `INSERT INTO users (id, ${this.#emailColumn}, name, country, phone, birth_date, marketing_consent,
           preferences, tags, region)
         VALUES (coalesce($1, gen_random_uuid()), $2, $3, $4, $5, $6, $7, $8, $9, $10)
         RETURNING ${this.#user}`,
          [
            user.id ?? null,
            user.email,
            user.name,
            user.country,
            user.phone,
            user.birth_date,
            user.marketing_consent,
            JSON.stringify(user.preferences),
            user.tags,
            user.region,
          ],
        );
        if (row === undefined) throw new Error('INSERT returned no row');
        await publish(transaction, registered(row));
        return row;
      });
    } catch (error) {
      throw emailTaken(error);
    }
  }

  /** The user, or undefined. */
  async find(id: string): Promise<User | undefined> {
    const [row] = await this.findMany([id]);
    return row;
  }

  /** Those of the users that exist, in no particular order. */
  async findMany(ids: readonly string[]): Promise<User[]> {
    return this.#database.query<User>(`SELECT ${this.#user} FROM users WHERE id = ANY ($1)`, [ids]);
  }

  /** Up to `count` users, newest first, older than the given place. */
  async list(createdAt: string | null, id: string | null, count: number): Promise<User[]> {
    return this.#database.query<User>(
      `SELECT ${this.#user} FROM users
       WHERE $1::timestamptz IS NULL OR (created_at, id) < ($1, $2::uuid)
       ORDER BY created_at DESC, id DESC LIMIT $3`,
      [createdAt, id, count],
    );
  }

  /** @throws Problem `not-found`, `version-mismatch`, or `conflict` when the address is taken */
  async change(id: string, change: UserChange, ifMatch: number | undefined): Promise<User> {
    const { email, ...others } = change;
    const { sql, values } = assignments({ ...others, [this.#emailColumn]: email }, 3);
    try {
      return await this.#database.transaction(async (transaction) => {
        const [before] = await transaction.query<User>(
          `SELECT ${this.#user} FROM users WHERE id = $1 FOR UPDATE`,
          [id],
        );
        const rows = await transaction.query<User>(
          `UPDATE users SET ${sql}, version = version + 1, updated_at = now()
           WHERE id = $1 AND ($2::integer IS NULL OR version = $2) RETURNING ${this.#user}`,
          [id, ifMatch ?? null, ...values],
        );
        const after = changedRow(rows, before, 'user');
        if (before === undefined) throw new Error('UPDATE changed a row that was not there');
        for (const event of changed(before, after)) await publish(transaction, event);
        return after;
      });
    } catch (error) {
      throw emailTaken(error);
    }
  }

  /** Counts a login. A login changes nothing that others edit, so the version stays. */
  async recordLogin(id: string): Promise<User> {
    const [row] = await this.#database.query<User>(
      `UPDATE users SET login_count = login_count + 1, last_login_at = now(), updated_at = now()
       WHERE id = $1 AND status = 'active' RETURNING ${this.#user}`,
      [id],
    );
    if (row !== undefined) return row;
    if ((await this.find(id)) === undefined) throw notFound('user');
    throw new Problem('conflict', 'Only an active user can log in.');
  }

  /**
   * Tells others once more what a user is, or that there is none: for copies that missed it. The
   * version grows, because others leave out what is not newer than what they have.
   */
  async republish(id: string): Promise<void> {
    await this.#database.transaction(async (transaction) => {
      const [user] = await transaction.query<User>(
        `UPDATE users SET version = version + 1, updated_at = now() WHERE id = $1
         RETURNING ${this.#user}`,
        [id],
      );
      const events = user === undefined ? [deleted(id, 0)] : restated(user);
      for (const event of events) await publish(transaction, event);
    });
  }

  /** Removes the user with all addresses; resolves with whether there was one. */
  async remove(id: string): Promise<boolean> {
    return this.#database.transaction(async (transaction) => {
      const [row] = await transaction.query<{ version: number }>(
        'DELETE FROM users WHERE id = $1 RETURNING version',
        [id],
      );
      if (row === undefined) return false;
      await publish(transaction, deleted(id, row.version));
      return true;
    });
  }

  /**
   * Removes the user with all addresses and the events that say who it was, and tells others to do
   * so. Also when there is no such user any more: others may still hold what they copied.
   */
  async erase(id: string): Promise<void> {
    await this.#database.transaction(async (transaction) => {
      await transaction.query('DELETE FROM users WHERE id = $1', [id]);
      await transaction.query(
        `DELETE FROM messaging.outbox WHERE aggregatetype = 'user' AND aggregateid = $1`,
        [id],
      );
      for (const event of erased(id)) await publish(transaction, event);
    });
  }

  /** A user's addresses by label. */
  async addresses(userId: string): Promise<Address[]> {
    return this.#database.query<Address>(
      `SELECT ${ADDRESS} FROM addresses WHERE user_id = $1 ORDER BY label`,
      [userId],
    );
  }

  /** Sets the address with this label. @throws Problem `not-found` when there is no such user */
  async putAddress(userId: string, label: string, address: AddressBody): Promise<Address> {
    try {
      const [row] = await this.#database.query<Address>(
        `INSERT INTO addresses (user_id, label, recipient, line1, line2, city, postcode, country, region)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8,
           -- Of nobody the foreign key knows.
           coalesce((SELECT region FROM users WHERE id = $1), 'eu'))
         ON CONFLICT (user_id, label) DO UPDATE SET recipient = excluded.recipient,
           line1 = excluded.line1, line2 = excluded.line2, city = excluded.city,
           postcode = excluded.postcode, country = excluded.country, updated_at = now()
         RETURNING ${ADDRESS}`,
        [
          userId,
          label,
          address.recipient,
          address.line1,
          address.line2,
          address.city,
          address.postcode,
          address.country,
        ],
      );
      if (row === undefined) throw new Error('INSERT returned no row');
      return row;
    } catch (error) {
      throw violates(error, 'addresses_user_id_fkey') ? notFound('user') : error;
    }
  }

  /** Removes an address; resolves with whether there was one. */
  async removeAddress(userId: string, label: string): Promise<boolean> {
    const rows = await this.#database.query(
      'DELETE FROM addresses WHERE user_id = $1 AND label = $2 RETURNING label',
      [userId, label],
    );
    return rows.length > 0;
  }
}

function emailTaken(error: unknown): unknown {
  return violates(error, 'users_email_key') || violates(error, 'users_primary_email_key')
    ? new Problem('conflict', 'Another user has this email address.', { cause: error })
    : error;
}
