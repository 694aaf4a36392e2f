import type { Queryable } from '#runtime/service/database.ts';
import { Problem, unavailable } from '#runtime/service/problem.ts';

/** A buyer, as users answers. */
export interface Buyer {
  readonly name: string;
  readonly email: string;
  readonly status: string;
  readonly version: number;
}

/** A row of `buyers` that an order can be placed with. */
export interface KnownBuyer {
  readonly name: string;
  readonly name_version: number;
  readonly email: string;
  readonly email_version: number;
}

interface BuyerRow {
  readonly name: string | null;
  readonly name_version: number;
  readonly email: string | null;
  readonly email_version: number;
  readonly status: string | null;
  readonly deleted: boolean;
}

/** A field of a user that orders keeps a copy of. */
export type BuyerField = 'name' | 'email' | 'status';

/**
 * The buyer to place an order with: what users answered, or what an event has told since. The row
 * stays locked until the order is stored, so that an event about the buyer finds it.
 *
 * @param answered - undefined when users did not answer
 * @throws Problem `rule-violated` when the buyer may not order, `dependency-unavailable` when users
 *   did not answer and the buyer is not known here
 */
export async function mergeBuyer(
  transaction: Queryable,
  userId: string,
  answered: Buyer | undefined,
): Promise<KnownBuyer> {
  if (answered !== undefined) await keepAnswer(transaction, userId, answered);
  const [row] = await transaction.query<BuyerRow>(
    `SELECT name, name_version, email, email_version, status, deleted FROM buyers
     WHERE user_id = $1 FOR NO KEY UPDATE`,
    [userId],
  );
  if (row?.deleted === true) throw new Problem('rule-violated', 'There is no such user.');
  if (row === undefined || row.name === null || row.email === null) {
    throw unavailable(
      'dependency-unavailable',
      'The users service, which this request needs, does not answer; try again.',
      { extras: { dependency: 'users' } },
    );
  }
  if (row.status !== null && row.status !== 'active') {
    throw new Problem('rule-violated', `A user who is ${row.status} cannot order.`);
  }
  const { name, name_version, email, email_version } = row;
  return { name, name_version, email, email_version };
}

/** Keeps a user's field here and in the user's orders, each unless it has a newer one. */
export async function keepBuyerField(
  transaction: Queryable,
  userId: string,
  field: BuyerField,
  value: string,
  version: number,
): Promise<void> {
  await transaction.query(
    `INSERT INTO buyers (user_id, ${field}, ${field}_version) VALUES ($1, $2, $3)
     ON CONFLICT (user_id) DO UPDATE SET ${field} = excluded.${field},
       ${field}_version = excluded.${field}_version, updated_at = now()
     WHERE buyers.${field}_version < excluded.${field}_version AND NOT buyers.deleted`,
    [userId, value, version],
  );
  if (field === 'status') return;
  await transaction.query(
    `UPDATE orders SET user_${field} = $2, user_${field}_version = $3, version = version + 1,
       updated_at = now()
     WHERE user_id = $1 AND user_${field}_version < $3`,
    [userId, value, version],
  );
}

/** Forgets a user who was deleted; orders keep the name that is on their invoice. */
export async function forgetBuyer(transaction: Queryable, userId: string): Promise<void> {
  await transaction.query(
    `INSERT INTO buyers (user_id, deleted) VALUES ($1, true)
     ON CONFLICT (user_id) DO UPDATE SET name = NULL, email = NULL, deleted = true,
       updated_at = now()`,
    [userId],
  );
}

/**
 * Removes what says who a buyer was, also from the orders. What was bought, when and for how much
 * stays: the books need it.
 *
 * @param version - above that of any event about the user, so that a late one brings nothing back
 */
export async function eraseBuyer(
  transaction: Queryable,
  userId: string,
  version: number,
): Promise<void> {
  await forgetBuyer(transaction, userId);
  await transaction.query(
    `UPDATE orders SET user_name = '', user_name_version = $2, user_email = '',
       user_email_version = $2, note = NULL, shipping_address = NULL, version = version + 1,
       updated_at = now()
     WHERE user_id = $1 AND user_email_version < $2`,
    [userId, version],
  );
}

/** Keeps what users answered; what is known from a newer version stays, and no row is written then. */
async function keepAnswer(transaction: Queryable, userId: string, answered: Buyer): Promise<void> {
  const fields = ['name', 'email', 'status'] as const;
  const isNewer = (field: BuyerField) => `buyers.${field}_version < excluded.${field}_version`;
  await transaction.query(
    `INSERT INTO buyers (user_id, name, email, status, name_version, email_version, status_version)
     VALUES ($1, $2, $3, $4, $5, $5, $5)
     ON CONFLICT (user_id) DO UPDATE SET updated_at = now(), ${fields
       .map(
         (field) =>
           `${field} = CASE WHEN ${isNewer(field)} THEN excluded.${field} ELSE buyers.${field} END,
            ${field}_version = greatest(buyers.${field}_version, excluded.${field}_version)`,
       )
       .join(', ')}
     WHERE NOT buyers.deleted AND (${fields.map(isNewer).join(' OR ')})`,
    [userId, answered.name, answered.email, answered.status, answered.version],
  );
}
