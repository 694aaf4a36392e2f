/** Number of a transaction as the replication stream has it: the low 32 bits. */
export type TransactionId = number & { readonly __brand: 'TransactionId' };

const LOW_32 = 0xff_ff_ff_ffn;

/** The low 32 bits of a transaction's number, however many it comes with. */
export function transactionId(value: bigint): TransactionId {
  return Number(value & LOW_32) as TransactionId;
}

/** Which transactions a reader of Postgres sees. */
export interface TransactionSnapshot {
  /** First transaction that had not begun. */
  readonly xmax: TransactionId;
  /** Transactions before it that were under way. */
  readonly underWay: ReadonlySet<TransactionId>;
}

const SHAPE = /^\d+:(\d+):((?:\d+(?:,\d+)*)?)$/;

/**
 * Reads what `pg_current_snapshot()` prints: `xmin:xmax:xip,…`.
 *
 * @throws RangeError for anything else
 */
export function parseTransactionSnapshot(text: string): TransactionSnapshot {
  const [, xmax, list] = SHAPE.exec(text) ?? [];
  if (xmax === undefined || list === undefined) throw new RangeError('not a pg_snapshot');
  const underWay = list === '' ? [] : list.split(',').map((id) => transactionId(BigInt(id)));
  return { xmax: transactionId(BigInt(xmax)), underWay: new Set(underWay) };
}

/** Transactions after a snapshot among which one that it does not see would be. */
const NEAR_TRANSACTIONS = 1 << 20;

/**
 * SQL of ClickHouse: whether a change of the change log is of a transaction that the reader does not
 * see. What a snapshot of the connector read, and what no record brought, is older.
 */
export function isUnseen({ xmax, underWay }: TransactionSnapshot): string {
  return (
    `(_transaction != 0 AND _op != 'snapshot' AND (has([${[...underWay].join(', ')}]::Array(UInt32), _transaction) ` +
    `OR toUInt32(_transaction - toUInt32(${xmax})) < ${NEAR_TRANSACTIONS}))`
  );
}

/**
 * Whether a committed transaction is in what the reader saw. Exact, where log positions are not: a
 * transaction can be in the log and not yet be seen.
 *
 * Numbers go round after 2^32 transactions, so this holds for those within 2^31 of the snapshot.
 */
export function sees({ xmax, underWay }: TransactionSnapshot, id: TransactionId): boolean {
  // The sign of the difference modulo 2^32.
  return ((id - xmax) | 0) < 0 && !underWay.has(id);
}
